//! What a server of one's own shows of its load on its metrics page.
//!
//! Servers of open models tell in Prometheus' text format how many calls wait inside them and how full their memory for
//! context is, each under names of its own. Two tables know the names; of a page, however long, only lines that begin
//! with one of them are looked at.

/// What a server shows of its load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Calls that wait inside it.
    pub waiting: f64,
    /// The part of its memory for context that is in use, 0 to 1, where it tells.
    pub cache_used: Option<f64>,
}

/// Calls that wait: vLLM, SGLang, llama.cpp, TGI.
const WAITING: [&str; 4] =
    ["vllm:num_requests_waiting", "sglang:num_queue_reqs", "llamacpp:requests_deferred", "tgi_queue_size"];
/// Memory for context in use, 0 to 1: vLLM since 0.10 and before, SGLang, llama.cpp.
const CACHE: [&str; 4] =
    ["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc", "sglang:token_usage", "llamacpp:kv_cache_usage_ratio"];

/// Reads a metrics page; `None` where it says nothing of calls that wait. Of several engines or models behind one page the
/// calls are added and the fullest memory counts.
///
/// ```
/// use sluicegate_wire::load::read;
/// let page = b"# HELP x\nvllm:num_requests_waiting{engine=\"0\"} 3.0\nvllm:kv_cache_usage_perc{engine=\"0\"} 0.5\n";
/// let load = read(page).unwrap();
/// assert_eq!((load.waiting, load.cache_used), (3.0, Some(0.5)));
/// ```
#[must_use]
pub fn read(page: &[u8]) -> Option<Load> {
    let mut waiting = None;
    let mut cache_used = None;
    for line in page.split(|byte| *byte == b'\n') {
        let known = |names: &[&str]| names.iter().find_map(|name| value(line, name));
        if let Some(value) = known(&WAITING) {
            waiting = Some(waiting.unwrap_or(0.0) + value);
        } else if let Some(value) = known(&CACHE) {
            cache_used = Some(f64::max(cache_used.unwrap_or(0.0), value));
        }
    }
    Some(Load { waiting: waiting?, cache_used })
}

/// The value of a line of this name, with or without labels.
fn value(line: &[u8], name: &str) -> Option<f64> {
    let rest = line.strip_prefix(name.as_bytes())?;
    let rest = std::str::from_utf8(rest).ok()?;
    let rest = match rest.chars().next()? {
        // A label's value may hold anything but a bare quote, so what follows the last brace is the value.
        '{' => rest.rsplit_once('}')?.1,
        ' ' | '\t' => rest,
        _ => return None,
    };
    let value: f64 = rest.split_ascii_whitespace().next()?.parse().ok()?;
    (value.is_finite() && value >= 0.0).then_some(value)
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
