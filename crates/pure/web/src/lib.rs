//! The little of HTTP/1 that a server of a few pages needs: what is asked for, and how to answer.
//!
//! One request a connection, and no body: whoever wants more asks again.

mod request;
mod response;

pub use request::{Heard, MOST_HEAD_BYTES, Method, Request, hear};
pub use response::{Response, Status};
