//! Numbers as decimal text, at the end of a buffer.
//!
//! An answer tells a dozen numbers in its headers, and most of them are small. Eight digits fit into one word and are
//! worked out side by side: halves of four digits, of two, and of one. What is written is always the whole word, of which
//! the end is then taken off again, since copying a known number of bytes takes no call.

/// The first number of more than eight digits.
const TOO_LONG: u64 = 100_000_000;

/// Writes a number.
#[inline]
pub(crate) fn digits(out: &mut Vec<u8>, number: u64) {
    match number {
        0..=9 => out.push(b'0' + number as u8),
        10..=99 => out.extend_from_slice(&[b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]),
        _ => Decimal::new(number).write(out),
    }
}

/// A number's digits, for those who write it more than once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decimal {
    number: u64,
    /// From the first digit on, the first in the lowest byte; of a number that is too long for them nothing.
    text: u64,
    length: u8,
}

impl Decimal {
    #[inline]
    pub(crate) const fn new(number: u64) -> Self {
        if number >= TOO_LONG {
            return Self { number, text: 0, length: 0 };
        }
        let eight = eight(number);
        // The last digit is there whatever it is.
        let zeros = (eight | 1 << 56).trailing_zeros() / 8;
        Self { number, text: (eight | 0x3030_3030_3030_3030) >> (8 * zeros), length: 8 - zeros as u8 }
    }

    /// The number itself.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    #[inline]
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if self.length == 0 {
            return self.write_long(out);
        }
        let end = out.len() + usize::from(self.length);
        out.extend_from_slice(&self.text.to_le_bytes());
        out.truncate(end);
    }

    #[cold]
    fn write_long(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(itoa::Buffer::new().format(self.number).as_bytes());
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
