//! In-band registration and change of password (XEP-0077), with invites (XEP-0401, XEP-0445):
//! what the requests mean and how they are answered. Who may ask is the caller's question.

use minidom::Element;
use zeroize::Zeroizing;

use crate::account::{PasswordPolicy, PasswordProblem};
use crate::stanza_error::{Condition, ErrorType, StanzaError};
use crate::xml::ElementExt;

/// Namespace of registration.
pub const NS_REGISTER: &str = "jabber:iq:register";
/// Stream feature: registration is offered before authentication.
pub const NS_REGISTER_FEATURE: &str = "http://jabber.org/features/iq-register";
/// Stream feature: an invite is needed (XEP-0401 §4).
pub const NS_INVITE_FEATURE: &str = "urn:xmpp:invite";
/// Presenting an invite (XEP-0445 §3).
pub const NS_PREAUTH: &str = "urn:xmpp:pars:0";
const NS_FORM: &str = "jabber:x:data";
/// Form type of the change of password that asks for the current one (XEP-0077 §3.3).
const FORM_CHANGE_PASSWORD: &str = "jabber:iq:register:changepassword";

/// Longest local part of an account name, in characters.
pub const NAME_CHARACTERS_MAX: usize = 64;

/// A `set`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegisterSet {
    /// Delete the account.
    Remove,
    /// Register, or change the password.
    Set {
        /// Name of the account.
        username: String,
        /// The new password.
        password: Zeroizing<String>,
        /// The current password, where the form was used that asks for it.
        current: Option<Zeroizing<String>>,
    },
}

impl RegisterSet {
    /// Reads `<query/>` of a `set`; plain fields or a submitted form.
    pub fn parse(query: &Element) -> Result<Self, StanzaError> {
        if query.has_child("remove", NS_REGISTER) {
            return Ok(Self::Remove);
        }
        let form = query.get_child("x", NS_FORM).filter(|form| form.attr("type") == Some("submit"));
        let field = |name: &str| match form {
            Some(form) => form
                .children()
                .find(|field| field.is("field", NS_FORM) && field.attr("var") == Some(name))
                .and_then(|field| field.get_child("value", NS_FORM))
                .map(Element::text),
            None => query.get_child(name, NS_REGISTER).map(Element::text),
        };
        let missing = || StanzaError::new(Condition::BadRequest).text("A user name and a new password are needed.");
        let username = field("username").ok_or_else(missing)?.trim().to_owned();
        let password = Zeroizing::new(field("password").ok_or_else(missing)?);
        if username.is_empty() || password.is_empty() {
            return Err(missing());
        }
        Ok(Self::Set { username, password, current: form.and_then(|_| field("old_password")).map(Zeroizing::new) })
    }
}

/// What a stream without account is told to send. A name fixed by the invite is filled in.
pub fn registration_form(fixed_name: Option<&str>) -> Element {
    let value = |name: &str| match (name, fixed_name) {
        ("username", Some(fixed)) => Some(fixed.to_owned()),
        _ => None,
    };
    let mut query = Element::bare("query", NS_REGISTER).child(
        Element::bare("instructions", NS_REGISTER).with_text("Choose your user name and a password only you know."),
    );
    let mut form = Element::bare("x", NS_FORM).with("type", "form").child(hidden_form_type(NS_REGISTER));
    for (name, kind, label) in [("username", "text-single", "User name"), ("password", "text-private", "Password")] {
        query.append_child(Element::bare(name, NS_REGISTER).with_text(value(name).unwrap_or_default()));
        let mut field = Element::bare("field", NS_FORM)
            .with("var", name)
            .with("type", kind)
            .with("label", label)
            .child(Element::bare("required", NS_FORM));
        if let Some(value) = value(name) {
            field.append_child(Element::bare("value", NS_FORM).with_text(value));
        }
        form.append_child(field);
    }
    query.child(form)
}

/// What a signed-in member is told: registered, under this name, and how to change the password.
pub fn registered(name: &str) -> Element {
    Element::bare("query", NS_REGISTER)
        .child(Element::bare("registered", NS_REGISTER))
        .child(Element::bare("username", NS_REGISTER).with_text(name))
        .child(Element::bare("password", NS_REGISTER))
}

/// The form that asks for the current password, sent with [`wrong_current_password`].
fn change_password_form(name: &str) -> Element {
    let mut form = Element::bare("x", NS_FORM).with("type", "form").child(hidden_form_type(FORM_CHANGE_PASSWORD));
    for (var, kind, label, value) in [
        ("username", "text-single", "User name", Some(name)),
        ("old_password", "text-private", "Current password", None),
        ("password", "text-private", "New password", None),
    ] {
        let mut field = Element::bare("field", NS_FORM)
            .with("var", var)
            .with("type", kind)
            .with("label", label)
            .child(Element::bare("required", NS_FORM));
        if let Some(value) = value {
            field.append_child(Element::bare("value", NS_FORM).with_text(value));
        }
        form.append_child(field);
    }
    Element::bare("query", NS_REGISTER).child(form)
}

fn hidden_form_type(value: &str) -> Element {
    Element::bare("field", NS_FORM)
        .with("var", "FORM_TYPE")
        .with("type", "hidden")
        .child(Element::bare("value", NS_FORM).with_text(value))
}

/// The current password that came with the request is not right.
pub fn wrong_current_password(name: &str) -> StanzaError {
    StanzaError::new(Condition::NotAuthorized)
        .text("The current password is not right. Nothing was changed.")
        .application(change_password_form(name))
}

/// The new password is not acceptable; the text says what to choose instead.
pub fn unacceptable_password(problem: PasswordProblem) -> StanzaError {
    StanzaError::new(Condition::NotAcceptable).of_type(ErrorType::Modify).text(problem.to_string())
}

/// Registration was tried without an invite.
pub fn invite_needed() -> StanzaError {
    StanzaError::new(Condition::ServiceUnavailable)
        .text("Accounts here are made by invitation. Please ask the administrator for an invite.")
}

/// The invite is not good.
pub fn invite_not_found() -> StanzaError {
    StanzaError::new(Condition::ItemNotFound)
        .text("This invite was used already, has expired, or was withdrawn. Please ask for a new one.")
}

/// Too many tries; others are not affected.
pub fn too_many_tries() -> StanzaError {
    StanzaError::new(Condition::PolicyViolation)
        .of_type(ErrorType::Wait)
        .text("Too many tries. Please wait a few minutes and try again.")
}

/// The store failed.
pub fn store_failed() -> StanzaError {
    StanzaError::new(Condition::InternalServerError)
        .of_type(ErrorType::Wait)
        .text("The server could not do this now. Nothing was changed; please try again later.")
}

/// Whether this can be the local part of a person's account. `name` is normalised already.
pub fn is_account_name(name: &str) -> bool {
    (1..=NAME_CHARACTERS_MAX).contains(&name.chars().count())
        && !name.chars().any(|character| {
            character.is_whitespace() || character.is_control() || "\"&'/:<>@,;()[]\\".contains(character)
        })
}

/// Checks a new password; `name` is the local part of the account.
pub fn check_password(
    policy: &PasswordPolicy,
    name: &str,
    text: &str,
) -> Result<crate::account::Password, StanzaError> {
    policy.check(name, text).map_err(unacceptable_password)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<RegisterSet, StanzaError> {
        RegisterSet::parse(&text.parse().expect("well-formed"))
    }

    #[test]
    fn plain_fields_and_a_form_mean_the_same() {
        let plain =
            parse("<query xmlns='jabber:iq:register'><username> ann </username><password> pw 1 </password></query>");
        let form = parse(
            "<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'>\
             <field var='username'><value>ann</value></field>\
             <field var='password'><value> pw 1 </value></field></x></query>",
        );
        let expected =
            RegisterSet::Set { username: "ann".into(), password: Zeroizing::new(" pw 1 ".into()), current: None };
        assert_eq!(plain, Ok(expected.clone()));
        assert_eq!(form, Ok(expected));
    }

    #[test]
    fn the_form_may_carry_the_current_password() {
        let set = parse(
            "<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'>\
             <field var='FORM_TYPE'><value>jabber:iq:register:changepassword</value></field>\
             <field var='username'><value>ann</value></field>\
             <field var='old_password'><value>old</value></field>\
             <field var='password'><value>new</value></field></x></query>",
        );
        assert!(matches!(set, Ok(RegisterSet::Set { current: Some(ref current), .. }) if current.as_str() == "old"));
    }

    #[test]
    fn incomplete_requests_are_bad() {
        for bad in [
            "<query xmlns='jabber:iq:register'/>",
            "<query xmlns='jabber:iq:register'><username>ann</username></query>",
            "<query xmlns='jabber:iq:register'><username>ann</username><password/></query>",
            "<query xmlns='jabber:iq:register'><username/><password>x</password></query>",
        ] {
            assert_eq!(parse(bad).expect_err("incomplete").condition(), Condition::BadRequest);
        }
        assert_eq!(parse("<query xmlns='jabber:iq:register'><remove/></query>"), Ok(RegisterSet::Remove));
    }

    #[test]
    fn an_invite_for_one_person_fills_in_the_name() {
        let form = registration_form(Some("ann"));
        assert_eq!(form.get_child("username", NS_REGISTER).map(Element::text), Some("ann".into()));
        let open = registration_form(None);
        assert_eq!(open.get_child("username", NS_REGISTER).map(Element::text), Some(String::new()));
    }

    #[test]
    fn names_are_names() {
        for good in ["ann", "j.d\u{f6}e-2", "\u{738b}"] {
            assert!(is_account_name(good), "{good}");
        }
        for bad in ["", "a b", "a@b", "a/b", &"x".repeat(NAME_CHARACTERS_MAX + 1)] {
            assert!(!is_account_name(bad), "{bad}");
        }
    }
}
