//! Gemini generateContent.
//!
//! Three things set it apart. Calls and results are matched by name and order, ids being optional. A signature belongs
//! to one part and must come back on that part. And a stream has neither event names nor a closing mark: it ends when
//! the connection does, and is complete if it had named a finish reason by then.

mod part;
pub mod request;
pub mod response;
pub mod stream;
