//! Small helpers around `serde_json` that cannot fail.

use serde_json::Value;

/// Sets a field of an object; what is no object stays as it is.
pub(crate) fn put(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value.into());
    }
}

/// The value at the end of `path`, or null.
pub(crate) fn look<'v>(value: &'v Value, path: &[&str]) -> &'v Value {
    const NULL: &Value = &Value::Null;
    path.iter().fold(value, |value, name| value.get(name).unwrap_or(NULL))
}

/// Writes `value` as compact JSON. Writing to memory cannot fail, and a `Value` has no form that JSON lacks.
pub(crate) fn write<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    let written = serde_json::to_writer(&mut *out, value);
    debug_assert!(written.is_ok(), "JSON into memory");
}
