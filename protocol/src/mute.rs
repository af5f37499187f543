//! `<mute/>`: a moderator asks the focus to mute somebody; the focus tells the muted.

use jid::Jid;
use xso::{AsXml, FromXml};

use crate::ns;

macro_rules! mute {
    ($(#[$meta:meta])* $name:ident, $ns:path) => {
        $(#[$meta])*
        #[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq)]
        #[xml(namespace = $ns, name = "mute")]
        pub struct $name {
            /// Room address of the one to be muted.
            #[xml(attribute(default))]
            pub jid: Option<Jid>,
            /// Room address of the one who asked; set by the focus.
            #[xml(attribute(default))]
            pub actor: Option<Jid>,
            /// Whether to mute; `None` when the text is neither `true` nor `false`.
            #[xml(text(codec = TrueOrFalse))]
            pub mute: Option<bool>,
        }
    };
}

mute!(
    /// Mute of the microphone.
    MuteAudio, ns::JITMEET_AUDIO
);
mute!(
    /// Mute of the camera.
    MuteVideo, ns::JITMEET_VIDEO
);
mute!(
    /// Mute of the screen.
    MuteDesktop, ns::JITMEET_DESKTOP
);

struct TrueOrFalse;

impl xso::TextCodec<Option<bool>> for TrueOrFalse {
    fn decode(&self, text: String) -> Result<Option<bool>, xso::error::Error> {
        Ok(match text.trim() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        })
    }

    fn encode<'x>(&self, value: &'x Option<bool>) -> Result<Option<std::borrow::Cow<'x, str>>, xso::error::Error> {
        Ok(value.map(|v| if v { "true" } else { "false" }.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minidom::Element;

    #[test]
    fn request_and_bad_value() {
        let e: Element = "<mute xmlns='http://jitsi.org/jitmeet/audio' jid='r@c.x/ab'>true</mute>".parse().unwrap();
        let mute = MuteAudio::try_from(e.clone()).unwrap();
        assert_eq!(mute.mute, Some(true));
        assert_eq!(Element::from(mute), e);
        let e: Element = "<mute xmlns='http://jitsi.org/jitmeet/video'>maybe</mute>".parse().unwrap();
        let mute = MuteVideo::try_from(e).unwrap();
        assert_eq!((mute.jid, mute.mute), (None, None));
    }
}
