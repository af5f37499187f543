//! `/trust`: how a phone or another computer comes to trust the local authority. There only while
//! the local authority's certificate is served; else the path is a room like any other.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use certs::local_ca::Authority;

/// Answers `path` below `/trust`; `None` for what is not ours.
pub(super) fn answer(path: &str, host: &str, authority: &Authority) -> Option<Response> {
    let file = |kind: &'static str, name: &str, content: Vec<u8>| {
        let disposition = format!("attachment; filename=\"{name}\"");
        ([(header::CONTENT_TYPE, kind)], [(header::CONTENT_DISPOSITION, disposition)], content).into_response()
    };
    let mut response = match path {
        "/trust" | "/trust/" => page(host, authority),
        "/trust/conclave-ca.pem" => {
            file("application/x-pem-file", "conclave-ca.pem", authority.pem.clone().into_bytes())
        }
        // Android and Windows take the binary form under this type.
        "/trust/conclave-ca.crt" => file("application/x-x509-ca-cert", "conclave-ca.crt", authority.der.to_vec()),
        // iPhones open a profile only when it is not a download.
        "/trust/conclave-ca.mobileconfig" => {
            let profile = certs::profile::apple(&authority.der, host);
            ([(header::CONTENT_TYPE, "application/x-apple-aspen-config")], profile).into_response()
        }
        _ => return None,
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    );
    Some(response)
}

fn page(host: &str, authority: &Authority) -> Response {
    // A host is a domain or an address: nothing in it needs escaping in HTML.
    let fingerprint = authority.fingerprint_sha256.replace(':', ":<wbr>");
    let html = format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Trust {host}</title>
<style>
:root {{ color-scheme: light dark; font: 17px/1.5 system-ui, sans-serif; }}
body {{ max-width: 42rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }}
a.button {{ display: inline-block; padding: .6rem 1rem; border-radius: .5rem; background: #1f5fbf; color: #fff; text-decoration: none; }}
code {{ overflow-wrap: anywhere; }}
li {{ margin: .3rem 0; }}
</style>
</head>
<body>
<h1>Trust {host} on this device</h1>
<p>This server made its own certificate. Once this device trusts the authority behind it, there are no
more warnings. The authority can vouch for {host} and private addresses only, never for another site.</p>
<p>Before you install it, compare its SHA-256 fingerprint with the one your administrator sees with
<code>conclave cert show --ca --json</code>:<br><code>{fingerprint}</code></p>

<h2>iPhone, iPad, Mac</h2>
<p><a class="button" href="/trust/conclave-ca.mobileconfig">Get the profile</a></p>
<ol>
<li>Open this page in Safari, get the profile and allow it.</li>
<li>Settings → General → VPN &amp; Device Management → Conclave → Install. (Mac: System Settings → General → Device Management.)</li>
<li>On an iPhone or iPad also: Settings → General → About → Certificate Trust Settings → switch Conclave on.</li>
</ol>

<h2>Android</h2>
<p><a class="button" href="/trust/conclave-ca.crt">Get the certificate</a></p>
<ol>
<li>Settings → Security → More security settings → Encryption &amp; credentials → Install a certificate → CA certificate.</li>
<li>Choose <code>conclave-ca.crt</code> from the downloads. Chrome trusts it from then on.</li>
<li>Firefox: Settings → About Firefox, tap the logo five times, go back, Secret Settings → Use third party CA certificates.</li>
</ol>

<h2>Windows</h2>
<p><a class="button" href="/trust/conclave-ca.crt">Get the certificate</a></p>
<p>Open it → Install Certificate → Local Machine → Place in the following store → Trusted Root Certification Authorities.</p>

<h2>Linux, Firefox, everything else</h2>
<p><a class="button" href="/trust/conclave-ca.pem">Get the PEM file</a></p>
<p>Debian and Ubuntu: copy it to <code>/usr/local/share/ca-certificates/conclave-ca.crt</code> and run
<code>sudo update-ca-certificates</code>. Firefox: Settings → Privacy &amp; Security → View Certificates →
Authorities → Import, for websites.</p>
</body>
</html>
"#
    );
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}
