//! `/config.js` in the form Jitsi's web client reads, made for this host.

use serde_json::{Map, Value, json};

/// What the page has to know.
#[derive(Debug, Clone)]
pub(crate) struct ClientConfig {
    /// The domain.
    pub(crate) host: String,
    /// Only members open rooms.
    pub(crate) auth_required: bool,
    /// Keys set in or added to what is generated.
    pub(crate) overrides: Map<String, Value>,
}

impl ClientConfig {
    /// The script. `authority` is the host and port the browser used; `tenant` the first part of
    /// the path where a meeting's address has two.
    pub(crate) fn script(&self, authority: &str, tenant: Option<&str>) -> String {
        let host = &self.host;
        let path = tenant.map(|tenant| format!("/{tenant}")).unwrap_or_default();
        let muc = match tenant {
            // COMPAT(jitsi-meet): dots of a tenant become underscores in the address of its rooms.
            Some(tenant) => format!("conference.{}.{host}", tenant.to_lowercase().replace('.', "_")),
            None => format!("conference.{host}"),
        };
        let mut hosts = json!({ "domain": host, "muc": muc, "focus": format!("focus.{host}") });
        if self.auth_required {
            hosts["anonymousdomain"] = json!(format!("guest.{host}"));
            hosts["authdomain"] = json!(host);
        }
        let mut config = json!({
            "hosts": hosts,
            "focusUserJid": format!("focus@auth.{host}"),
            "websocket": format!("wss://{authority}{path}/xmpp-websocket"),
            "serviceUrl": format!("wss://{authority}{path}/xmpp-websocket"),
            "conferenceRequestUrl": format!("https://{authority}{path}/conference-request/v1"),
            "websocketKeepAlive": 60_000,
            "enableWebsocketResume": true,
            // COMPAT(lib-jitsi-meet): without this key a public STUN server is asked.
            "p2p": { "enabled": true, "stunServers": [] },
            "channelLastN": -1,
            "enableTcc": true,
            "enableRemb": true,
            "bridgeChannel": { "preferSctp": true },
            "flags": { "ssrcRewritingEnabled": true },
            "prejoinConfig": { "enabled": true },
            "disableThirdPartyRequests": true,
            "gravatar": { "disabled": true },
            "analytics": { "disabled": true },
            "doNotStoreRoom": true,
            "enableCalendarIntegration": false,
            "disableInviteFunctions": false,
            "enableUserRolesBasedOnToken": false,
        });
        merge(&mut config, &Value::Object(self.overrides.clone()));
        let mut script = format!("var config = {};\n", for_script(&config));
        if let Some(tenant) = tenant {
            script.push_str(&format!(
                "var subdir = {};\nvar subdomain = {};\n",
                for_script(&json!(format!("{tenant}/"))),
                for_script(&json!(format!("{tenant}.")))
            ));
        }
        script
    }
}

/// JSON that may stand in a script element of a page: nothing in it can end the element.
fn for_script(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(config: &ClientConfig, tenant: Option<&str>) -> Value {
        let script = config.script("meet.example:8443", tenant);
        let json = script.lines().next().expect("a line").strip_prefix("var config = ").expect("Jitsi's form");
        serde_json::from_str(json.strip_suffix(';').expect("a statement")).expect("JSON")
    }

    fn config() -> ClientConfig {
        ClientConfig { host: "meet.example".into(), auth_required: false, overrides: Map::new() }
    }

    #[test]
    fn the_page_finds_everything_here() {
        let page = parsed(&config(), None);
        assert_eq!(page["hosts"]["muc"], "conference.meet.example");
        assert_eq!(page["websocket"], "wss://meet.example:8443/xmpp-websocket");
        assert_eq!(page["hosts"].get("anonymousdomain"), None);
        assert_eq!(page["p2p"]["stunServers"], json!([]), "nobody else is asked");
    }

    #[test]
    fn guests_have_a_domain_where_authentication_is_required() {
        let page = parsed(&ClientConfig { auth_required: true, ..config() }, None);
        assert_eq!(page["hosts"]["anonymousdomain"], "guest.meet.example");
    }

    #[test]
    fn a_tenant_has_rooms_of_its_own() {
        let page = parsed(&config(), Some("A.b"));
        assert_eq!(page["hosts"]["muc"], "conference.a_b.meet.example");
        assert_eq!(page["websocket"], "wss://meet.example:8443/A.b/xmpp-websocket");
    }

    #[test]
    fn the_administrator_has_the_last_word_and_can_break_no_page() {
        let mut overrides = Map::new();
        overrides.insert("p2p".into(), json!({ "enabled": false }));
        overrides.insert("title".into(), json!("</script><script>alert(1)"));
        let config = ClientConfig { overrides, ..config() };
        let page = parsed(&config, None);
        assert_eq!(page["p2p"], json!({ "enabled": false, "stunServers": [] }));
        assert!(!config.script("x", None).contains("</script"));
    }
}
