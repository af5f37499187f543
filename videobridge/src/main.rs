//! The videobridge: forwards media between the members of a conference, told by the focus.

mod media;
mod media_link;

fn main() {}
