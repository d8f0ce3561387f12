//! "Did you mean": the nearest of the names that would have been right.

/// The candidate nearest to `text`, when it is near enough that a person would have meant it: spelled alike, or the only
/// one that begins with it.
#[must_use]
pub fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const SIMILAR: f64 = 0.7;
    const BEGINNING: usize = 4;
    let wanted = text.to_ascii_lowercase();
    let mut best: Option<(f64, &str)> = None;
    let (mut longer, mut several) = (None, false);
    for candidate in candidates {
        let lower = candidate.to_ascii_lowercase();
        let similarity = strsim::normalized_damerau_levenshtein(&wanted, &lower);
        if similarity >= SIMILAR && best.is_none_or(|(known, _)| similarity >= known) {
            best = Some((similarity, candidate));
        }
        if wanted.len() >= BEGINNING && lower.starts_with(&wanted) {
            several |= longer.replace(candidate).is_some();
        }
    }
    best.map(|(_, candidate)| candidate).or(longer.filter(|_| !several))
}

#[cfg(test)]
#[path = "near_tests.rs"]
mod tests;
