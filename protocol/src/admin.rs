//! The administrator's protocol on the XMPP server's admin socket: one JSON object a line, a
//! request from the client, then its response. Not a wire contract of Jitsi's.

use serde::{Deserialize, Serialize};

/// What the administrator asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Is the server up, and where does it listen?
    Health,
    /// Create an account with a password.
    UserAdd {
        /// Local part, or full address; the main domain is meant if none is given.
        name: String,
        /// The password in plain text; only ever on this local socket.
        password: String,
    },
    /// Set the password of an existing account and close its streams.
    UserPasswd {
        /// As in `user-add`.
        name: String,
        /// The new password.
        password: String,
    },
    /// Remove an account and close its streams.
    UserDel {
        /// As in `user-add`.
        name: String,
    },
    /// All accounts.
    UserList,
    /// Create a one-time invite. With a name that exists already, the invite resets its password.
    UserInvite {
        /// The name the invited person will have; chosen by the person when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// How long the invite is good for; the configured lifetime when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lifetime_s: Option<u64>,
    },
    /// Revoke an invite that has not been used.
    InviteRevoke {
        /// The token of the invite, or the link it came in.
        token: String,
    },
    /// Read the certificate and key again, without closing streams.
    CertReload,
    /// The sessions bound at present.
    Sessions,
}

/// The answer to one [`Request`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Response {
    /// Refused; nothing was changed.
    Failure {
        /// Always `false`.
        ok: False,
        /// A stable word for programs.
        error: FailureKind,
        /// A plain sentence for people.
        message: String,
    },
    /// Done.
    Success {
        /// Always `true`.
        ok: True,
        /// What was asked for.
        #[serde(flatten)]
        result: Box<Success>,
    },
}

impl Response {
    /// A success with its result.
    pub fn success(result: Success) -> Self {
        Self::Success { ok: True, result: Box::new(result) }
    }

    /// A refusal with its sentence.
    pub fn failure(error: FailureKind, message: impl Into<String>) -> Self {
        Self::Failure { ok: False, error, message: message.into() }
    }
}

/// What a successful request returned. Fields that do not belong to the request are absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Success {
    /// For `user-add`, `user-passwd`, `user-del`, `user-invite` with a name: the full address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// For `health`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// For `user-list`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<User>>,
    /// For `user-invite`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invite: Option<Invite>,
    /// For `sessions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Vec<Session>>,
}

/// Where the server stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Everything the server needs is in place.
    pub healthy: bool,
    /// The domain served.
    pub host: String,
    /// Version of the program.
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// Real port of HTTPS, after binding port 0; 0 when not listening.
    pub https_port: u16,
    /// Real port of XMPP with STARTTLS; 0 when not listening.
    pub c2s_port: u16,
    /// Real port of XMPP with direct TLS; 0 when not listening.
    pub c2s_tls_port: u16,
    /// Sessions bound at present, hibernating ones included.
    pub sessions: usize,
    /// The certificate that new connections are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
}

/// How long the certificate in use is valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// First valid moment, in seconds since 1970.
    pub not_before_unix_s: i64,
    /// Last valid moment, in seconds since 1970.
    pub not_after_unix_s: i64,
    /// A sentence when it has ended or soon will: what is wrong and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// One account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Bare address.
    pub address: String,
    /// When it was created, in seconds since 1970.
    pub created_unix_s: u64,
    /// When its password was set last, in seconds since 1970.
    pub password_set_unix_s: u64,
}

/// A fresh invite. The server keeps only a hash of the token: this is the one time it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// The one-time token.
    pub token: String,
    /// The link to hand over: `https://HOST:PORT/account/invite#TOKEN`.
    pub link: String,
    /// When it expires, in seconds since 1970.
    pub expires_unix_s: u64,
}

/// One bound session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Full address.
    pub address: String,
    /// `tcp` or `websocket`.
    pub transport: String,
    /// Without a connection at present, waiting for resumption.
    pub hibernating: bool,
    /// Seconds since the resource was bound.
    pub age_s: u64,
}

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The line was not a request this program knows.
    BadRequest,
    /// The name can't be an account name, or the domain is not served here.
    InvalidName,
    /// The password does not meet the policy.
    InvalidPassword,
    /// The account exists already.
    Conflict,
    /// No such account or invite.
    NotFound,
    /// Needs the running server.
    NotRunning,
    /// The server failed; the log says why.
    Internal,
}

/// The JSON value `true`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct True;
/// The JSON value `false`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct False;

macro_rules! literal_bool {
    ($name:ident, $value:literal) => {
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bool($value)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if bool::deserialize(deserializer)? == $value {
                    Ok(Self)
                } else {
                    Err(serde::de::Error::custom(concat!("expected ", stringify!($value))))
                }
            }
        }
    };
}
literal_bool!(True, true);
literal_bool!(False, false);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_tagged_lines() {
        let line = r#"{"command":"user-add","name":"ann","password":"secret words"}"#;
        let request: Request = serde_json::from_str(line).expect("a request");
        assert_eq!(serde_json::to_string(&request).expect("json"), line);
        assert_eq!(serde_json::from_str::<Request>(r#"{"command":"health"}"#).expect("a request"), Request::Health);
        assert!(serde_json::from_str::<Request>(r#"{"command":"nonsense"}"#).is_err());
    }

    #[test]
    fn responses_tell_success_from_failure() {
        let failure = Response::failure(FailureKind::Conflict, "ann exists already.");
        let text = serde_json::to_string(&failure).expect("json");
        assert_eq!(text, r#"{"ok":false,"error":"conflict","message":"ann exists already."}"#);
        assert_eq!(serde_json::from_str::<Response>(&text).expect("ours"), failure);

        let success = Response::success(Success { address: Some("ann@localhost".into()), ..Success::default() });
        let text = serde_json::to_string(&success).expect("json");
        assert_eq!(text, r#"{"ok":true,"address":"ann@localhost"}"#);
        assert_eq!(serde_json::from_str::<Response>(&text).expect("ours"), success);
    }
}
