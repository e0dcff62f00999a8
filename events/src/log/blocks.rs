//! A log cut into blocks of whole lines, which can be decoded apart from each other.

use std::io::{self, Read};

use crate::MAX_LINE_BYTES;

/// Bytes of a block, unless one line needs more.
pub(super) const BLOCK_BYTES: usize = 192 << 10;

/// What is kept of a line that is too long.
const KEPT_BYTES: usize = 1024;

/// Some whole lines.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) bytes: Vec<u8>,
    /// The number of its first line, from 1.
    pub(super) first_line: u64,
    /// When it stands for one line that is too long: how long it is. `bytes` then hold its beginning.
    pub(super) too_long: Option<u64>,
}

/// Cuts what a reader gives into blocks.
pub(super) struct Blocks<'r> {
    reader: Box<dyn Read + Send + 'r>,
    block_bytes: usize,
    /// The beginning of a line, whose end is not read yet.
    rest: Vec<u8>,
    next_line: u64,
    ended: bool,
    /// What broke the reader off, and after which line.
    pub(super) broken: Option<(u64, io::Error)>,
}

impl<'r> Blocks<'r> {
    pub(super) fn new(reader: Box<dyn Read + Send + 'r>, block_bytes: usize) -> Self {
        Self { reader, block_bytes, rest: Vec::new(), next_line: 1, ended: false, broken: None }
    }

    /// The next block, in the memory of one that is no longer needed; `None` at the end.
    pub(super) fn next(&mut self, spare: Option<Block>) -> Option<Block> {
        let mut bytes = spare.unwrap_or_default().bytes;
        bytes.clear();
        bytes.append(&mut self.rest);
        let mut searched = 0;
        let mut wanted = self.block_bytes;
        while !self.ended {
            self.read(&mut bytes, wanted);
            match memchr::memrchr(b'\n', &bytes[searched..]) {
                _ if self.ended => break,
                Some(at) => {
                    self.rest.extend_from_slice(&bytes[searched + at + 1..]);
                    bytes.truncate(searched + at + 1);
                    break;
                }
                None if bytes.len() > MAX_LINE_BYTES => return Some(self.skip_line(bytes)),
                None => {
                    searched = bytes.len();
                    wanted = (bytes.len() * 2).min(MAX_LINE_BYTES + 1);
                }
            }
        }
        if bytes.is_empty() {
            return None;
        }
        let first_line = self.next_line;
        let unended = u64::from(bytes.last() != Some(&b'\n'));
        self.next_line += memchr::memchr_iter(b'\n', &bytes).count() as u64 + unended;
        Some(Block { bytes, first_line, too_long: None })
    }

    /// Reads until there are as many bytes as wanted, or no more.
    fn read(&mut self, bytes: &mut Vec<u8>, wanted: usize) {
        let missing = wanted.saturating_sub(bytes.len()).max(1);
        match self.reader.by_ref().take(missing as u64).read_to_end(bytes) {
            Ok(read) => self.ended = read < missing,
            Err(error) => {
                self.ended = true;
                let lines = memchr::memchr_iter(b'\n', bytes).count() as u64;
                self.broken = Some((self.next_line - 1 + lines, error));
            }
        }
    }

    /// Passes over the rest of a line whose beginning is too long already.
    fn skip_line(&mut self, mut bytes: Vec<u8>) -> Block {
        let mut length = bytes.len() as u64;
        bytes.truncate(KEPT_BYTES);
        bytes.shrink_to_fit();
        let mut more = Vec::new();
        while !self.ended {
            more.clear();
            self.read(&mut more, self.block_bytes);
            if let Some(at) = memchr::memchr(b'\n', &more) {
                length += at as u64;
                self.rest.extend_from_slice(&more[at + 1..]);
                break;
            }
            length += more.len() as u64;
        }
        let first_line = self.next_line;
        self.next_line += 1;
        Block { bytes, first_line, too_long: Some(length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(text: &[u8], block_bytes: usize) -> Vec<Block> {
        let mut blocks = Blocks::new(Box::new(std::io::Cursor::new(text.to_vec())), block_bytes);
        std::iter::from_fn(|| blocks.next(None)).collect()
    }

    #[test]
    fn blocks_hold_all_bytes_in_whole_lines_and_know_their_numbers() {
        let text = b"a\nbb\n\nccc\ndddddddddddddd\ne";
        for block_bytes in 1..30 {
            let blocks = blocks(text, block_bytes);
            assert_eq!(blocks.iter().flat_map(|block| block.bytes.clone()).collect::<Vec<_>>(), text);
            let mut line = 1;
            for block in &blocks {
                assert_eq!(block.first_line, line);
                line += block.bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
            }
            assert!(blocks[..blocks.len() - 1].iter().all(|block| block.bytes.ends_with(b"\n")));
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let mut text = b"first\n".to_vec();
        text.resize(MAX_LINE_BYTES * 2, b'x');
        text.extend_from_slice(b"\nlast");
        let blocks = blocks(&text, 1 << 20);
        assert_eq!(blocks.len(), 3);
        assert_eq!(blocks[1].too_long, Some(MAX_LINE_BYTES as u64 * 2 - 6));
        assert_eq!((blocks[1].bytes.len(), blocks[1].first_line), (KEPT_BYTES, 2));
        assert_eq!((blocks[2].bytes.as_slice(), blocks[2].first_line), (b"last".as_slice(), 3));
    }
}
