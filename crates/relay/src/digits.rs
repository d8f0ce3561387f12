//! Numbers as decimal text, at the end of a buffer.
//!
//! An answer tells a dozen numbers in its headers, and most of them are small. Eight digits fit into one word and are
//! worked out side by side: halves of four digits, of two, and of one. What is written is always a whole word, of which
//! the end is then taken off again, since copying a known number of bytes takes no call.

/// The first number of more than eight digits.
const TOO_LONG: u64 = 100_000_000;
/// The first of more than sixteen.
const FAR_TOO_LONG: u64 = TOO_LONG * TOO_LONG;

/// Writes a number.
#[inline]
pub(crate) fn digits(out: &mut Vec<u8>, number: u64) {
    match number {
        0..=9 => out.push(b'0' + number as u8),
        10..=99 => out.extend_from_slice(&[b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]),
        100..TOO_LONG => {
            let eight = eight(number);
            let zeros = eight.trailing_zeros() / 8;
            let text = (eight | 0x3030_3030_3030_3030) >> (8 * zeros);
            out.extend_from_slice(&text.to_le_bytes());
            out.truncate(out.len() - zeros as usize);
        }
        TOO_LONG..FAR_TOO_LONG => {
            digits(out, number / TOO_LONG);
            out.extend_from_slice(&(eight(number % TOO_LONG) | 0x3030_3030_3030_3030).to_le_bytes());
        }
        _ => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
    }
}

/// The eight digits of a number below a hundred million, a byte each, the highest in the lowest byte.
#[inline]
const fn eight(number: u64) -> u64 {
    // Two lanes of 32 bits with four digits each. In every lane the quotient goes down and the remainder up; the
    // quotients come by multiplication with 1/100 and 1/10, which is exact for what the lanes hold.
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    let quotients = ((fours * 10_486) >> 20) & 0x0000_007F_0000_007F;
    let twos = quotients | ((fours - quotients * 100) << 16);
    let quotients = ((twos * 103) >> 10) & 0x000F_000F_000F_000F;
    quotients | ((twos - quotients * 10) << 8)
}

#[cfg(test)]
#[path = "digits_tests.rs"]
mod tests;
