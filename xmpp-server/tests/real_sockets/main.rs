//! The server as a process, spoken to over real sockets, with real SQLite.

mod bad_input;
mod client;
mod contacts;
mod https;
mod login;
mod process;
mod registration;
mod resumption;
mod rooms;
