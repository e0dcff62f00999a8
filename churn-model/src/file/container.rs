//! The safetensors container around a header text and its tensors.

use safetensors::tensor::{Metadata, TensorView};
use safetensors::{Dtype, SafeTensorError};

use super::density::Density;
use super::error::{ReadProblem, WriteError};

/// Longest container header, as in every safetensors library.
const MAX_HEADER_BYTES: usize = 100_000_000;

/// Bytes of the number that says how long the container header is.
const LENGTH_BYTES: usize = 8;

/// One array, with its bytes where they stand in the file.
#[derive(Debug)]
pub(crate) struct Tensor<'a> {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: &'a [u8],
}

/// A header text and the tensors beside it, in order of their names.
#[derive(Debug)]
pub(crate) struct Container<'a> {
    pub(crate) text: String,
    pub(crate) tensors: Vec<Tensor<'a>>,
}

impl<'a> Container<'a> {
    /// Takes a file apart whose header text has this metadata key, and refuses what no writer of ours puts in one.
    pub(crate) fn open(key: &'static str, file: &'a [u8]) -> Result<Self, ReadProblem> {
        let (header, data) = split(file)?;
        if !Density::of(header).fits_container() {
            return Err(ReadProblem::TooDense { place: "container header" });
        }
        // `SafeTensors::deserialize` adds up lengths that the header makes up, which overflows on hostile ones; the
        // header alone is read with checked arithmetic and then compared with what there is.
        let header: Metadata = serde_json::from_slice(header).map_err(|error| ReadProblem::Container(error.into()))?;
        if header.data_len() != data.len() {
            return Err(ReadProblem::DataLength { found: data.len(), expected: header.data_len() });
        }
        let metadata = header.metadata().iter().flatten();
        if let Some(found) = metadata.map(|(key, _)| key).filter(|found| *found != key).min() {
            return Err(ReadProblem::UnknownMetadata { key: found.clone(), expected: key });
        }
        let text = header.metadata().as_ref().and_then(|metadata| metadata.get(key));
        let text = text.ok_or(ReadProblem::NoHeader { key })?.clone();
        let mut names = header.offset_keys();
        names.sort_unstable();
        let tensor = |name: String| {
            let info = header.info(&name)?;
            let bytes = data.get(info.data_offsets.0..info.data_offsets.1)?;
            Some(Tensor { name, dtype: info.dtype, shape: info.shape.clone(), bytes })
        };
        Ok(Self { text, tensors: names.into_iter().filter_map(tensor).collect() })
    }
}

/// The container header and the tensors' bytes.
fn split(file: &[u8]) -> Result<(&[u8], &[u8]), ReadProblem> {
    let too_short = ReadProblem::TooShort { found: file.len() };
    let Some((length, rest)) = file.split_first_chunk::<LENGTH_BYTES>() else {
        return Err(too_short);
    };
    match usize::try_from(u64::from_le_bytes(*length)) {
        Ok(length) if length <= MAX_HEADER_BYTES => rest.split_at_checked(length).ok_or(too_short),
        Ok(_) | Err(_) => Err(ReadProblem::HeaderLength { found: u64::from_le_bytes(*length), most: MAX_HEADER_BYTES }),
    }
}

/// Puts a header text and tensors into the bytes of a file; the order of the tensors does not matter.
pub(crate) fn pack(key: &'static str, text: String, tensors: &[Tensor<'_>]) -> Result<Vec<u8>, WriteError> {
    let views = tensors.iter().map(view).collect::<Result<Vec<_>, _>>()?;
    let metadata = [(key.to_owned(), text)].into_iter().collect();
    safetensors::serialize(views, Some(metadata)).map_err(|error| match error {
        SafeTensorError::HeaderTooLarge => WriteError::HeaderTooLarge { most: MAX_HEADER_BYTES },
        error => WriteError::from_container(error),
    })
}

fn view<'a>(tensor: &Tensor<'a>) -> Result<(String, TensorView<'a>), WriteError> {
    let view = TensorView::new(tensor.dtype, tensor.shape.clone(), tensor.bytes);
    view.map(|view| (tensor.name.clone(), view)).map_err(WriteError::from_container)
}
