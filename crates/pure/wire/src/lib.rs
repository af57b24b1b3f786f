//! The distcc protocol, versions 1 to 3, as state machines that do no input or output.
//!
//! One job is one connection: the client sends a whole request, the server a whole reply.
//! Encoders return bytes to send; decoders are fed whatever arrived, in pieces of any size, and
//! say when they have all. Nothing here opens a socket, waits, or trusts a length it was told:
//! every length is compared with a named limit in [`Limits`] before memory is set aside for it.
//!
//! Source of the facts: the project's protocol notes, and recordings of distcc 3.4 that
//! `tests/golden` repeats.

mod abilities;
mod condition;
mod error;
mod exit;
mod file_key;
mod include_request;
mod lack;
mod limits;
pub mod lzo;
mod packet;
mod reply;
mod request;
mod token;
mod tree;
mod two_files;
mod version;

pub use abilities::{ABILITIES_QUESTION, Abilities};
pub use condition::Condition;
pub use error::WireError;
pub use exit::Exit;
pub use file_key::FileKey;
pub use include_request::{IncludeRequest, IncludeRequestDecoder, encode_include_answer};
pub use lack::Lack;
pub use limits::Limits;
pub use reply::{Reply, ReplyDecoder, WaitStatus};
pub use request::{Payload, Request, RequestDecoder, encode_request_head, encode_source};
pub use token::{Token, TokenName};
pub use tree::{
    Content, Fault, LONGEST_NAME, Tree, TreeEntry, encode_keep, encode_kept, encode_tree_file,
    encode_tree_head, encode_tree_link,
};
pub use two_files::{join_two_files, part_two_files};
pub use version::Version;
