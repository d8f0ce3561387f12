//! How alike two texts are.
//!
//! The Dice coefficient of their trigrams: cheap, without a model or a language, and close to what a reader means by
//! "mostly the same words". It knows nothing of meaning: two answers that say the same in other words are unlike here.

use std::collections::HashMap;

/// Characters of a text that are looked at.
const LOOKED_AT: usize = 8_192;

/// How alike two texts are, from 0 (nothing in common) to 1 (the same but for case and white space). The first 8,192
/// characters of each are compared.
#[must_use]
pub fn similarity(one: &str, other: &str) -> f64 {
    let (one, other) = (plain(one), plain(other));
    if one == other {
        return 1.0;
    }
    let mut trigrams: HashMap<&[char], i64> = HashMap::new();
    one.windows(3).for_each(|trigram| *trigrams.entry(trigram).or_default() += 1);
    let common = other
        .windows(3)
        .filter(|trigram| {
            trigrams.get_mut(*trigram).is_some_and(|left| {
                *left -= 1;
                *left >= 0
            })
        })
        .count();
    let all = one.len().saturating_sub(2) + other.len().saturating_sub(2);
    if all == 0 { 0.0 } else { 2.0 * common as f64 / all as f64 }
}

/// How alike the directions of vectors of the same shapes are, pair by pair: the mean cosine, 0 where they are opposite or
/// unrelated.
pub(super) fn directions(one: &[Vec<f32>], other: &[Vec<f32>]) -> f64 {
    let dot =
        |one: &[f32], other: &[f32]| one.iter().zip(other).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let cosine = |(one, other): (&Vec<f32>, &Vec<f32>)| {
        let length = (dot(one, one) * dot(other, other)).sqrt();
        if length > 0.0 { (dot(one, other) / length).clamp(0.0, 1.0) } else { 0.0 }
    };
    one.iter().zip(other).map(cosine).sum::<f64>() / one.len().max(1) as f64
}

/// In lower case, with single spaces, between two spaces so that words at either end count like others.
fn plain(text: &str) -> Vec<char> {
    let mut plain = vec![' '];
    for c in text.chars().take(LOOKED_AT) {
        if !c.is_whitespace() {
            plain.extend(c.to_lowercase());
        } else if plain.last() != Some(&' ') {
            plain.push(' ');
        }
    }
    if plain.last() != Some(&' ') {
        plain.push(' ');
    }
    plain
}
