use crate::Error;

/// Appends a number in 7-bit groups, the lowest first, with the high bit set on all but the last.
pub(crate) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a signed number: 0, -1, 1, -2 ... as 0, 1, 2, 3 ...
pub(crate) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_number(out, (number << 1 ^ number >> 63) as u64);
}

/// Bytes being read, none of which is trusted.
pub(crate) struct Bytes<'a> {
    rest: &'a [u8],
    length: usize,
}

impl<'a> Bytes<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, length: bytes.len() }
    }

    /// What is wrong with a field that has just been read.
    pub(crate) fn damage(&self, field: &'static str, expected: &'static str) -> Error {
        Error::DamagedState { offset: self.length - self.rest.len(), field, expected }
    }

    pub(crate) fn check(&self, holds: bool, field: &'static str, expected: &'static str) -> Result<(), Error> {
        if holds { Ok(()) } else { Err(self.damage(field, expected)) }
    }

    pub(crate) fn end(&self) -> Result<(), Error> {
        self.check(self.rest.is_empty(), "the end", "nothing after it")
    }

    pub(crate) fn take<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Error> {
        let Some((taken, rest)) = self.rest.split_first_chunk() else {
            return Err(self.damage(field, "more bytes"));
        };
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn byte(&mut self, field: &'static str) -> Result<u8, Error> {
        self.take::<1>(field).map(|[byte]| byte)
    }

    pub(crate) fn fixed(&mut self, field: &'static str) -> Result<u64, Error> {
        self.take(field).map(u64::from_le_bytes)
    }

    pub(crate) fn number(&mut self, field: &'static str) -> Result<u64, Error> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(field)?;
            let group = u64::from(byte & 0x7f);
            self.check(group << shift >> shift == group, field, "a number of 64 bits")?;
            number |= group << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.damage(field, "a number of 64 bits"))
    }

    pub(crate) fn number_below(&mut self, bound: u64, field: &'static str) -> Result<u64, Error> {
        let number = self.number(field)?;
        self.check(number < bound, field, "a smaller number")?;
        Ok(number)
    }

    pub(crate) fn signed(&mut self, field: &'static str) -> Result<i64, Error> {
        let number = self.number(field)?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, Error> {
        let number = self.number(field)?;
        u32::try_from(number).map_err(|_| self.damage(field, "a number of 32 bits"))
    }

    /// The length of a list whose entries take at least so many bytes, so that no more is allocated than can follow.
    pub(crate) fn length(&mut self, least_bytes: usize, field: &'static str) -> Result<usize, Error> {
        let number = self.number(field)?;
        let most = self.rest.len() / least_bytes;
        usize::try_from(number).ok().filter(|n| *n <= most).ok_or_else(|| self.damage(field, "as many entries"))
    }

    pub(crate) fn text(&mut self, max_bytes: usize, field: &'static str) -> Result<&'a str, Error> {
        let length = self.length(1, field)?;
        self.check(length <= max_bytes, field, "a shorter text")?;
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        std::str::from_utf8(taken).map_err(|_| self.damage(field, "UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_were_written() {
        for number in [0, 1, 127, 128, 300, u64::MAX / 2, u64::MAX] {
            let mut out = Vec::new();
            put_number(&mut out, number);
            put_signed(&mut out, number as i64);
            put_signed(&mut out, -(number as i64 / 2));
            let mut bytes = Bytes::new(&out);
            assert_eq!(bytes.number("n"), Ok(number));
            assert_eq!(bytes.signed("n"), Ok(number as i64));
            assert_eq!(bytes.signed("n"), Ok(-(number as i64 / 2)));
            assert_eq!(bytes.end(), Ok(()));
        }
    }

    #[test]
    fn numbers_that_are_too_long_and_lists_that_cannot_fit_are_refused() {
        assert!(Bytes::new(&[0xff; 10]).number("n").is_err());
        assert!(Bytes::new(&[0x80]).number("n").is_err());
        assert!(Bytes::new(&[200, 1, 0, 0]).length(1, "n").is_err());
        assert!(Bytes::new(&[2, 0xff, 0xff]).text(9, "t").is_err());
    }
}
