//! OpenAI Responses.
//!
//! One answer is a list of output items: reasoning, messages, function calls. The same items are the body of a whole
//! answer and the content of a stream's events, so they are defined once (`object`), and a finished stream ends with
//! the very object that a buffered answer would have been.

mod object;
mod output;
pub mod request;
pub mod response;
pub mod stream;

pub use object::Echo;
