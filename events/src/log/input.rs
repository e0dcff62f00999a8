//! Where the bytes of a log come from.

use std::io::{self, BufReader, Cursor, Read};

use flate2::read::MultiGzDecoder;

/// Bytes read at once from a file.
const READ_BYTES: usize = 128 << 10;

/// The bytes of a file that may be compressed, by what it begins with: its name does not matter.
///
/// A gzip file may have any number of members, and a zstd file any number of frames. Parquet, which has no lines, is
/// refused.
///
/// # Errors
/// When the first bytes cannot be read, or are those of Parquet.
pub fn decompressed<'r>(mut reader: impl Read + Send + 'r) -> io::Result<Box<dyn Read + Send + 'r>> {
    let mut magic = Vec::with_capacity(4);
    reader.by_ref().take(4).read_to_end(&mut magic)?;
    let is_gzip = magic.starts_with(&[0x1f, 0x8b]);
    let is_zstd = magic == [0x28, 0xb5, 0x2f, 0xfd];
    if magic == *b"PAR1" {
        let what = "is Parquet; expected a log of lines, such as JSON Lines (in Python, hand over the table it holds)";
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    let whole = Cursor::new(magic).chain(reader);
    Ok(if is_gzip {
        Box::new(MultiGzDecoder::new(BufReader::with_capacity(READ_BYTES, whole)))
    } else if is_zstd {
        Box::new(zstd::Decoder::with_buffer(BufReader::with_capacity(READ_BYTES, whole))?)
    } else {
        Box::new(whole)
    })
}
