//! What the owners of a room can set.

/// Configuration of a room. Defaults are those of a meeting: open, temporary, addresses visible to everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomConfig {
    /// `muc#roomconfig_roomname`
    pub name: String,
    /// `muc#roomconfig_roomdesc`
    pub description: String,
    /// `muc#roomconfig_lang`
    pub language: String,
    /// `muc#roomconfig_persistentroom`: stays when empty.
    pub persistent: bool,
    /// `muc#roomconfig_publicroom`: listed.
    pub public: bool,
    /// `muc#roomconfig_membersonly`
    pub members_only: bool,
    /// `{http://prosody.im/protocol/muc}roomconfig_allowmemberinvites`
    pub allow_member_invites: bool,
    /// `muc#roomconfig_roomsecret`; empty for none.
    pub secret: String,
    /// `muc#roomconfig_whois`: everybody sees real addresses, not only moderators.
    pub whois_anyone: bool,
    /// `muc#roomconfig_moderatedroom`: newcomers have no voice.
    pub moderated: bool,
    /// `muc#roomconfig_changesubject`: participants may set the subject.
    pub change_subject: bool,
    /// `muc#roomconfig_historylength`: messages kept.
    pub history_length: usize,
    /// `muc#roomconfig_defaulthistorymessages`: messages sent to a newcomer that does not say.
    pub default_history_messages: usize,
}

impl Default for RoomConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            description: String::new(),
            language: "en".to_owned(),
            persistent: false,
            public: false,
            members_only: false,
            allow_member_invites: false,
            secret: String::new(),
            whois_anyone: true,
            moderated: false,
            change_subject: false,
            history_length: 0,
            default_history_messages: 0,
        }
    }
}
