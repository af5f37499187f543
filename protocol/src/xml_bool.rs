//! Boolean attributes that are left out when they have their default value.

use std::borrow::Cow;

use xso::TextCodec;
use xso::error::Error;

/// Writes `true`, leaves `false` out.
pub(crate) struct DefaultFalse;

impl TextCodec<bool> for DefaultFalse {
    fn decode(&self, text: String) -> Result<bool, Error> {
        parse(&text)
    }

    fn encode<'x>(&self, value: &'x bool) -> Result<Option<Cow<'x, str>>, Error> {
        Ok(value.then_some(Cow::Borrowed("true")))
    }
}

/// XML Schema booleans without regard to case: COMPAT(jitsi) Java writes and reads them so.
fn parse(text: &str) -> Result<bool, Error> {
    match text.trim() {
        "1" => Ok(true),
        "0" => Ok(false),
        text if text.eq_ignore_ascii_case("true") => Ok(true),
        text if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(Error::Other("a boolean attribute must be true or false")),
    }
}
