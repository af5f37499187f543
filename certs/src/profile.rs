//! The local authority as a configuration profile, the form in which iPhones, iPads and Macs take one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;

/// A profile (Apple's property list) that installs `authority` for `host`. The same authority gives
/// the same profile, so that installing it again replaces it.
pub fn apple(authority: &CertificateDer<'_>, host: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, authority);
    let (payload, profile) = (uuid(&digest.as_ref()[..16]), uuid(&digest.as_ref()[16..]));
    let content = STANDARD.encode(authority);
    let host = escape(host);
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>PayloadContent</key>
  <array>
    <dict>
      <key>PayloadCertificateFileName</key><string>conclave-ca.crt</string>
      <key>PayloadContent</key><data>{content}</data>
      <key>PayloadDescription</key><string>Trusts meetings on {host}</string>
      <key>PayloadDisplayName</key><string>Conclave local CA for {host}</string>
      <key>PayloadIdentifier</key><string>conclave.ca.{payload}</string>
      <key>PayloadType</key><string>com.apple.security.root</string>
      <key>PayloadUUID</key><string>{payload}</string>
      <key>PayloadVersion</key><integer>1</integer>
    </dict>
  </array>
  <key>PayloadDescription</key><string>Trusts meetings on {host}. It can vouch for no other site.</string>
  <key>PayloadDisplayName</key><string>Conclave on {host}</string>
  <key>PayloadIdentifier</key><string>conclave.profile.{profile}</string>
  <key>PayloadType</key><string>Configuration</string>
  <key>PayloadUUID</key><string>{profile}</string>
  <key>PayloadVersion</key><integer>1</integer>
</dict>
</plist>
"#
    )
}

/// The form of RFC 9562 of sixteen bytes of our own making (version 8).
fn uuid(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let byte = match index {
            6 => 0x80 | (byte & 0x0f),
            8 => 0x80 | (byte & 0x3f),
            _ => *byte,
        };
        text.push_str(&format!("{byte:02X}"));
    }
    text
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_carries_the_authority_and_is_the_same_each_time() {
        let authority = CertificateDer::from(vec![1, 2, 3]);
        let profile = apple(&authority, "a<b.example");
        assert_eq!(profile, apple(&authority, "a<b.example"));
        assert!(profile.contains("<data>AQID</data>") && profile.contains("a&lt;b.example"), "{profile}");
        let identifier = profile.split("conclave.ca.").nth(1).expect("an identifier");
        assert_eq!((identifier.as_bytes()[14], identifier.find('<')), (b'8', Some(36)));
    }
}
