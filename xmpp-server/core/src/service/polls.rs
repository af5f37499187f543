//! Polls (`polls.D`).

use std::collections::BTreeMap;

use minidom::Element;
use serde_json::{Value, json};

use crate::component::{Outbound, SenderContext};
use crate::muc::occupant::Occupant;
use crate::muc::room::{Room, RoomContext};
use crate::ns;
use crate::service::json_message;
use crate::stanza_error::{Condition, StanzaError};

/// Label of the service's address.
pub const LABEL: &str = "polls";
/// Most bytes of one command.
pub const COMMAND_BYTES_MAX: usize = 1024;
/// Most polls of one room.
pub const POLLS_MAX: usize = 128;
/// Most voters remembered for one poll.
pub const VOTERS_MAX: usize = 1_000;

/// Polls of a room, in the order in which they were made.
#[derive(Debug, Default)]
pub struct Polls {
    polls: Vec<Poll>,
}

#[derive(Debug)]
struct Poll {
    id: String,
    sender_id: String,
    sender_name: Option<String>,
    question: String,
    answers: Vec<String>,
    votes: BTreeMap<String, Vote>,
}

/// What one voter chose: the name it had then, and one flag per answer.
#[derive(Debug)]
struct Vote {
    name: Option<String>,
    chosen: Vec<bool>,
}

impl Poll {
    fn to_json(&self) -> Value {
        let answers: Vec<Value> = self
            .answers
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let voters: Vec<Value> = self
                    .votes
                    .iter()
                    .filter(|(_, vote)| vote.chosen[index])
                    .map(|(id, vote)| json!({ "id": id, "name": vote.name }))
                    .collect();
                if voters.is_empty() { json!({ "name": name }) } else { json!({ "name": name, "voters": voters }) }
            })
            .collect();
        let mut json = json!({
            "pollId": self.id, "senderId": self.sender_id, "question": self.question,
            "answers": answers,
        });
        if let Some(name) = &self.sender_name {
            json["senderName"] = json!(name);
        }
        json
    }
}

impl Polls {
    /// Tells a newcomer of the polls there are.
    pub(crate) fn greet(&self, room: &Room, to: &Occupant, rcx: &mut RoomContext<'_, '_>) {
        if self.polls.is_empty() || !room.has_meeting_features() || to.is_admin {
            return;
        }
        let polls: Vec<Value> = self.polls.iter().map(Poll::to_json).collect();
        let json = json!({ "type": "polls", "command": "old-polls", "polls": polls });
        let service = rcx.settings.service(LABEL);
        rcx.cx.out.push(Outbound::shared(to.session.clone(), &json_message::from_service(&service, None, &json)));
    }
}

impl Room {
    /// Handles `new-poll` and `answer-poll` of an occupant.
    pub(crate) fn handle_polls(
        &mut self,
        sender: &SenderContext,
        message: &Element,
        rcx: &mut RoomContext<'_, '_>,
    ) -> Result<(), StanzaError> {
        let text = message.get_child("json-message", ns::JITMEET).ok_or(Condition::BadRequest)?.text();
        if text.len() >= COMMAND_BYTES_MAX {
            return Err(StanzaError::new(Condition::NotAllowed).text("This poll is too long."));
        }
        let occupant = self.occupant(&sender.jid).ok_or(Condition::NotAllowed)?;
        let (nick, name) = (occupant.nick().to_owned(), occupant.display_name().map(str::to_owned));
        let json: Value = serde_json::from_str(&text).map_err(|_| Condition::BadRequest)?;
        if json.get("type").and_then(Value::as_str) != Some("polls") {
            return Err(Condition::BadRequest.into());
        }
        let string = |key| json.get(key).and_then(Value::as_str).map(str::to_owned);
        let poll_id = string("pollId").ok_or(Condition::BadRequest)?;
        let given = json.get("answers").and_then(Value::as_array).ok_or(Condition::BadRequest)?;
        let announcement = match json.get("command").and_then(Value::as_str) {
            Some("new-poll") => {
                let answers: Option<Vec<String>> =
                    given.iter().map(|answer| answer.get("name").and_then(Value::as_str).map(str::to_owned)).collect();
                let poll = Poll {
                    id: poll_id,
                    sender_id: nick,
                    sender_name: name,
                    question: string("question").ok_or(Condition::BadRequest)?,
                    answers: answers.ok_or(Condition::BadRequest)?,
                    votes: BTreeMap::new(),
                };
                if self.polls.polls.iter().any(|known| known.id == poll.id) {
                    return Err(StanzaError::new(Condition::NotAllowed).text("Poll already exists"));
                }
                if self.polls.polls.len() >= POLLS_MAX {
                    return Err(StanzaError::new(Condition::NotAllowed).text("Number of polls exceeded"));
                }
                let names: Vec<Value> = poll.answers.iter().map(|name| json!({ "name": name })).collect();
                let json = json!({
                    "type": "polls", "command": "new-poll", "pollId": poll.id,
                    "senderId": poll.sender_id,
                    "question": poll.question, "answers": names,
                });
                self.polls.polls.push(poll);
                json
            }
            Some("answer-poll") => {
                let poll =
                    self.polls.polls.iter_mut().find(|poll| poll.id == poll_id).ok_or(Condition::ItemNotFound)?;
                let chosen: Option<Vec<bool>> = given.iter().map(Value::as_bool).collect();
                let chosen = chosen.filter(|chosen| chosen.len() == poll.answers.len()).ok_or(Condition::BadRequest)?;
                if poll.votes.len() >= VOTERS_MAX && !poll.votes.contains_key(&nick) {
                    return Err(Condition::ResourceConstraint.into());
                }
                let mut json = json!({
                    "type": "polls", "command": "answer-poll", "pollId": poll.id,
                    "senderId": nick, "answers": chosen,
                });
                if let Some(name) = &name {
                    json["senderName"] = json!(name);
                }
                poll.votes.insert(nick, Vote { name, chosen });
                json
            }
            _ => return Err(Condition::BadRequest.into()),
        };
        let service = rcx.settings.service(LABEL);
        self.broadcast(&json_message::from_service(&service, None, &announcement), rcx.cx);
        Ok(())
    }
}
