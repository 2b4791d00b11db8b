//! Decodes data in the format of CPython's `marshal` module, version 2 (`Python/marshal.c`), as far as probes send it.
//!
//! Hostile input: nothing is allocated that the bytes at hand do not cover, nesting is limited, and code objects, references
//! and whatever else is no plain data are refused.

use serde_json::{Map, Number, Value};

/// Deeper nested data is refused; the probes send at most 64 levels.
const MOST_DEPTH: usize = 100;
/// The smallest encoding of an int is this long; so many bytes must be there for each one announced.
const INT_BYTES: usize = 5;

/// Why bytes are no data of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    #[error("it ends in the middle")]
    Short,
    #[error("it has a value of a kind that is not expected here: {0:#04x}")]
    Kind(u8),
    #[error("it has a number out of range")]
    Range,
    #[error("it is nested too deep")]
    Deep,
    #[error("its parts do not fit together")]
    Inconsistent,
}

/// The bytes of one record, read from the front.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Broken::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn kind(&mut self) -> Result<u8, Broken> {
        Ok(self.take(1)?[0])
    }

    fn word(&mut self) -> Result<i32, Broken> {
        let bytes = self.take(4)?;
        Ok(i32::from_le_bytes(bytes.try_into().expect("four bytes were taken")))
    }

    /// The number of parts of something, each at least one byte long.
    fn length(&mut self) -> Result<usize, Broken> {
        let length = usize::try_from(self.word()?).map_err(|_| Broken::Range)?;
        if length > self.rest.len() { Err(Broken::Short) } else { Ok(length) }
    }

    /// The head of a tuple: how many values follow.
    pub(super) fn tuple(&mut self) -> Result<usize, Broken> {
        match self.kind()? {
            b'(' => self.length(),
            other => Err(Broken::Kind(other)),
        }
    }

    /// The head of a list: how many values follow.
    pub(super) fn list(&mut self) -> Result<usize, Broken> {
        match self.kind()? {
            b'[' => self.length(),
            other => Err(Broken::Kind(other)),
        }
    }

    /// A text; lone surrogates become replacement characters.
    pub(super) fn text(&mut self) -> Result<String, Broken> {
        match self.kind()? {
            b'u' => {
                let length = self.length()?;
                Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
            }
            other => Err(Broken::Kind(other)),
        }
    }

    /// A text, or nothing where there is `None`.
    pub(super) fn optional_text(&mut self) -> Result<Option<String>, Broken> {
        if self.passes(b'N') { Ok(None) } else { self.text().map(Some) }
    }

    pub(super) fn texts(&mut self) -> Result<Vec<String>, Broken> {
        let count = self.list()?;
        (0..count).map(|_| self.text()).collect()
    }

    pub(super) fn flag(&mut self) -> Result<bool, Broken> {
        match self.kind()? {
            b'T' => Ok(true),
            b'F' => Ok(false),
            other => Err(Broken::Kind(other)),
        }
    }

    /// Passes a value of one byte (`N`, `T`, `F`) if it is the next.
    pub(super) fn passes(&mut self, kind: u8) -> bool {
        let next = self.rest.first() == Some(&kind);
        if next {
            self.rest = &self.rest[1..];
        }
        next
    }

    /// A list of ints that are not negative and fit in 64 bits.
    pub(super) fn numbers(&mut self) -> Result<Vec<u64>, Broken> {
        let count = self.list()?;
        let mut numbers = Vec::with_capacity(count.min(self.rest.len() / INT_BYTES));
        for _ in 0..count {
            numbers.push(self.number()?);
        }
        Ok(numbers)
    }

    /// An int that is not negative and fits in 64 bits.
    #[inline]
    pub(super) fn number(&mut self) -> Result<u64, Broken> {
        // An address has four digits of 15 bits: the usual case, without a loop.
        if let [b'l', 4, 0, 0, 0, a0, a1, b0, b1, c0, c1, d0, d1, rest @ ..] = self.rest {
            let digit = |low: &u8, high: &u8| u64::from(u16::from_le_bytes([*low, *high]));
            let (a, b, c, d) = (digit(a0, a1), digit(b0, b1), digit(c0, c1), digit(d0, d1));
            if (a | b | c | d) < 1 << 15 {
                self.rest = rest;
                return Ok(a | b << 15 | c << 30 | d << 45);
            }
        }
        match self.integer()? {
            (false, value) => Ok(value),
            (true, _) => Err(Broken::Range),
        }
    }

    /// Sign and magnitude of an int.
    fn integer(&mut self) -> Result<(bool, u64), Broken> {
        match self.kind()? {
            b'i' => {
                let value = self.word()?;
                Ok((value < 0, u64::from(value.unsigned_abs())))
            }
            b'l' => {
                let digits = self.word()?;
                let count = digits.unsigned_abs() as usize;
                let bytes = self.take(count.checked_mul(2).ok_or(Broken::Range)?)?;
                let mut value = 0u64;
                for pair in bytes.chunks_exact(2).rev() {
                    let digit = u64::from(u16::from_le_bytes([pair[0], pair[1]]));
                    if digit >= 1 << 15 || value >> 49 != 0 {
                        return Err(Broken::Range);
                    }
                    value = value << 15 | digit;
                }
                Ok((digits < 0, value))
            }
            other => Err(Broken::Kind(other)),
        }
    }

    /// Any data, as JSON has it: bytes become text, an int beyond 64 bits its sign and magnitude as text is refused.
    pub(super) fn value(&mut self) -> Result<Value, Broken> {
        self.nested(0)
    }

    fn nested(&mut self, depth: usize) -> Result<Value, Broken> {
        if depth > MOST_DEPTH {
            return Err(Broken::Deep);
        }
        let kind = *self.rest.first().ok_or(Broken::Short)?;
        if let b'i' | b'l' = kind {
            return match self.integer()? {
                (false, value) => Ok(value.into()),
                (true, value) => Ok(0i64.checked_sub_unsigned(value).ok_or(Broken::Range)?.into()),
            };
        }
        if kind == b'u' {
            return Ok(self.text()?.into());
        }
        self.rest = &self.rest[1..];
        match kind {
            b'N' => Ok(Value::Null),
            b'T' => Ok(true.into()),
            b'F' => Ok(false.into()),
            b'g' => {
                let bytes = self.take(8)?.try_into().expect("eight bytes were taken");
                let number = f64::from_le_bytes(bytes);
                // JSON has neither infinities nor NaN.
                Ok(Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number))
            }
            b's' => {
                let length = self.length()?;
                Ok(String::from_utf8_lossy(self.take(length)?).into_owned().into())
            }
            b'[' | b'(' => {
                let count = self.length()?;
                let items: Result<Vec<Value>, Broken> = (0..count).map(|_| self.nested(depth + 1)).collect();
                Ok(Value::Array(items?))
            }
            b'{' => {
                let mut map = Map::new();
                while self.rest.first() != Some(&b'0') {
                    let key = self.text()?;
                    map.insert(key, self.nested(depth + 1)?);
                }
                self.take(1)?;
                Ok(Value::Object(map))
            }
            other => Err(Broken::Kind(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What `marshal.dumps(value, 2)` says in Python, and the value.
    #[test]
    fn values_as_python_writes_them() {
        for (bytes, value) in [
            (&b"i\x05\0\0\0"[..], json!(5)),
            (b"i\xff\xff\xff\xff", json!(-1)),
            (b"l\x03\0\0\0\0\0\0\0\x02\0", json!(1u64 << 31)),
            (b"l\xfd\xff\xff\xff\x01\0\0\0\x02\0", json!(-(1i64 << 31) - 1)),
            (b"l\x05\0\0\0\xff\x7f\xff\x7f\xff\x7f\xff\x7f\x0f\0", json!(u64::MAX)),
            (b"u\x03\0\0\0\xed\xa0\x80", json!("\u{fffd}\u{fffd}\u{fffd}")),
            (b"g\0\0\0\0\0\0\xf8\x3f", json!(1.5)),
            (b"g\0\0\0\0\0\0\xf0\x7f", json!("inf")),
            (b"[\x02\0\0\0NT", json!([null, true])),
            (b"(\x01\0\0\0s\x01\0\0\0a", json!(["a"])),
            (b"{u\x01\0\0\0aF0", json!({"a": false})),
        ] {
            assert_eq!(Reader::new(bytes).value(), Ok(value), "{bytes:x?}");
        }
    }

    #[test]
    fn what_is_no_data_is_refused() {
        let deep = b"[\x01\0\0\0".repeat(200);
        for (bytes, why) in [
            (&b"c\0\0\0\0"[..], Broken::Kind(b'c')),
            (b"r\0\0\0\0", Broken::Kind(b'r')),
            (b"[\xff\xff\xff\x7fN", Broken::Short),
            (b"[\xff\xff\xff\xffN", Broken::Range),
            (b"l\x06\0\0\0\xff\x7f\xff\x7f\xff\x7f\xff\x7f\x0f\0\x01\0", Broken::Range),
            (b"l\x01\0\0\0\0\x80", Broken::Range),
            (b"u\x05\0\0\0abc", Broken::Short),
            (b"{u\x01\0\0\0a", Broken::Short),
            (&deep, Broken::Deep),
            (b"", Broken::Short),
        ] {
            assert_eq!(Reader::new(bytes).value(), Err(why), "{bytes:x?}");
        }
    }

    #[test]
    fn addresses_take_the_short_way_to_the_same_number() {
        let address = 0x7fff_1234_5678u64;
        let mut bytes = b"l\x04\0\0\0".to_vec();
        for digit in 0..4 {
            bytes.extend(((address >> (15 * digit) & 0x7fff) as u16).to_le_bytes());
        }
        assert_eq!(Reader::new(&bytes).number(), Ok(address));
        assert_eq!(Reader::new(&bytes).value(), Ok(json!(address)));
    }
}
