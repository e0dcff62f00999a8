//! How much memory JSON text may take before it is parsed.
//!
//! A parser spends a few dozen bytes on a value and a few hundred on an object, however few characters they took in the
//! text: `[0,0,0,…]` grows fifteenfold. Counting the characters that start values and objects, outside strings, bounds
//! what parsing can allocate to about 30 times the text, so a hostile header is refused before it costs anything.

/// Counts of the characters that make a parser allocate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Density {
    length: usize,
    /// `,` `[` and `{`, which stand before each value but the first.
    values: usize,
    /// `{`.
    objects: usize,
}

impl Density {
    /// Counts outside strings; text that is no JSON gives some count too.
    pub(crate) fn of(text: &[u8]) -> Self {
        let mut density = Self { length: text.len(), values: 0, objects: 0 };
        let (mut in_string, mut escaped) = (false, false);
        for &byte in text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                b',' | b'[' | b'{' if !in_string => {
                    density.values += 1;
                    density.objects += usize::from(byte == b'{');
                }
                _ => {}
            }
        }
        density
    }

    /// Whether a container header may hold this: a handful of tensors, each with a few numbers.
    pub(crate) fn fits_container(self) -> bool {
        self.values <= 256
    }

    /// Whether a header text may hold this. Real ones have a value in 8 characters and an object in 60 at most.
    pub(crate) fn fits_header(self) -> bool {
        self.values <= self.length / 3 + 64 && self.objects <= self.length / 24 + 64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_characters_outside_strings_count() {
        let density = Density::of(br#"{"a":[1,2,{"b":"[{,\",\\"}],"c":"\\\""}"#);
        assert_eq!((density.values, density.objects), (6, 2));
    }

    #[test]
    fn text_packed_with_tiny_values_or_objects_is_refused() {
        assert!(!Density::of("[0,0]".repeat(1000).as_bytes()).fits_header());
        assert!(!Density::of(r#"{"a":{"b":0}},"#.repeat(1000).as_bytes()).fits_header());
        assert!(Density::of(r#"{"mean":0.0,"scale":1.0,"weight":0.0},"#.repeat(1000).as_bytes()).fits_header());
        assert!(!Density::of("[".repeat(257).as_bytes()).fits_container());
    }
}
