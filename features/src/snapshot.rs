//! Feature stores in files. `docs/state-format.md` specifies the bytes.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use churn_events::WholeFile;
use sha2::{Digest, Sha256};

use crate::store::{FeatureStore, StoreOptions, Tenant, state_numbers};
use crate::{Error, EventCounts, Kept, StateOptions, TenantState};

const MAGIC: [u8; 8] = *b"CHURNFS\n";
const FORMAT_VERSION: u32 = 1;
const CHECKSUM_BYTES: u64 = 32;
/// The least that a tenant takes: two lengths and an empty id.
const MIN_TENANT_BYTES: u64 = 12;

/// Why a feature store cannot be written to a file, or read from one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The file cannot be written.
    #[error("cannot write snapshot {path:?}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file cannot be read.
    #[error("cannot read snapshot {path:?}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is something else.
    #[error("{path:?} is not the snapshot of a feature store: it does not begin with {:?}", String::from_utf8_lossy(&MAGIC))]
    NotASnapshot {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a later version of this library.
    #[error("snapshot {path:?} has format version {found}; this build reads 1 to {newest}")]
    UnknownFormatVersion {
        /// The file.
        path: PathBuf,
        /// Version found.
        found: u32,
        /// Newest version that is read.
        newest: u32,
    },
    /// The file ends too early, or a length in it is wrong.
    #[error("snapshot {path:?} is cut off or damaged: {part} takes {expected} bytes, and {found} are left")]
    CutOff {
        /// The file.
        path: PathBuf,
        /// What was being read.
        part: &'static str,
        /// Bytes that it takes.
        expected: u64,
        /// Bytes that are left.
        found: u64,
    },
    /// The file holds more than it says.
    #[error("snapshot {path:?} is damaged: {found} bytes follow the last of {n_tenants} tenants")]
    Surplus {
        /// The file.
        path: PathBuf,
        /// Tenants that it should hold.
        n_tenants: u64,
        /// Bytes left after them.
        found: u64,
    },
    /// A number in the header is not possible.
    #[error("snapshot {path:?} is damaged: {field} is {found}; expected at most {most}")]
    OutOfRange {
        /// The file.
        path: PathBuf,
        /// Name of the number.
        field: &'static str,
        /// The number found.
        found: u64,
        /// The largest possible one.
        most: u64,
    },
    /// An id is not text, or not after the one before it.
    #[error("snapshot {path:?} is damaged: the id of tenant {position} is not UTF-8 text after the id before it")]
    TenantId {
        /// The file.
        path: PathBuf,
        /// Zero-based position of the tenant in the file.
        position: u64,
    },
    /// A tenant's state cannot be read.
    #[error("snapshot {path:?} is damaged: cannot read the state of tenant {tenant:?}")]
    State {
        /// The file.
        path: PathBuf,
        /// Id of the tenant.
        tenant: String,
        /// Why not.
        source: Box<Error>,
    },
    /// The bytes are not those that were written.
    #[error("snapshot {path:?} is damaged: its checksum does not fit its contents")]
    Checksum {
        /// The file.
        path: PathBuf,
    },
}

impl FeatureStore {
    /// Writes the store to a file, which is replaced as a whole: whoever opens it finds the old store or the new one.
    ///
    /// The same tenants, options and counts give the same bytes, whatever the number of shards.
    ///
    /// # Errors
    /// When the file cannot be written. The one that was there before is then still there.
    pub fn write_snapshot(&self, path: impl AsRef<Path>) -> Result<(), SnapshotError> {
        let path = path.as_ref();
        self.write_tenants(path, &self.sorted())
    }

    /// Writes the tenants that may have changed since [`forget_changes`](Self::forget_changes), and the counts of all, to a
    /// file that is read as any snapshot, and brought to the rest by [`update`](Self::update).
    ///
    /// # Errors
    /// As [`write_snapshot`](Self::write_snapshot).
    pub fn write_changes(&self, path: impl AsRef<Path>) -> Result<(), SnapshotError> {
        self.write_tenants(path.as_ref(), &self.sorted_where(|tenant| tenant.has_changed))
    }

    fn write_tenants(&self, path: &Path, tenants: &[&Tenant]) -> Result<(), SnapshotError> {
        self.replace_file(path, tenants).map_err(|source| SnapshotError::Write { path: path.to_owned(), source })
    }

    fn replace_file(&self, path: &Path, tenants: &[&Tenant]) -> std::io::Result<()> {
        let mut out = BufWriter::with_capacity(1 << 16, WholeFile::create(path)?);
        self.write_to(&mut out, tenants)?;
        out.into_inner().map_err(std::io::IntoInnerError::into_error)?.finish()
    }

    fn write_to(&self, out: &mut impl Write, tenants: &[&Tenant]) -> std::io::Result<()> {
        let mut checksum = Sha256::new();
        let mut put = |bytes: &[u8]| {
            checksum.update(bytes);
            out.write_all(bytes)
        };
        let mut header = MAGIC.to_vec();
        header.extend(FORMAT_VERSION.to_le_bytes());
        let options = state_numbers(&self.options().state).map(|(_, number)| number as u64);
        let sizes = [self.options().max_tenants as u64];
        let numbers = options.into_iter().chain(sizes).chain(self.counts().as_array()).chain([tenants.len() as u64]);
        numbers.for_each(|number| header.extend(number.to_le_bytes()));
        put(&header)?;
        let mut state = Vec::new();
        for tenant in tenants {
            let too_long = |_| std::io::Error::other("the id of a tenant has 4 GiB or more");
            put(&u32::try_from(tenant.id.len()).map_err(too_long)?.to_le_bytes())?;
            put(tenant.id.as_bytes())?;
            state.clear();
            tenant.state.write_to(&mut state);
            put(&(state.len() as u64).to_le_bytes())?;
            put(&state)?;
        }
        out.write_all(&checksum.finalize())
    }

    /// Reads a store from a file, into as many shards as [`StoreOptions`] has by default.
    ///
    /// # Errors
    /// When the file cannot be read, is something else, was written by a later version, is cut off or damaged.
    pub fn read_snapshot(path: impl AsRef<Path>) -> Result<Self, SnapshotError> {
        let path = path.as_ref();
        let fail = |source| SnapshotError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(fail)?;
        let file_bytes = file.metadata().map_err(fail)?.len();
        let mut reader = Reader {
            path,
            file: BufReader::with_capacity(1 << 16, file),
            left: file_bytes,
            checksum: Sha256::new(),
            buffer: Vec::new(),
        };
        if reader.left < MAGIC.len() as u64 || reader.array::<8>("the name of the format")? != MAGIC {
            return Err(SnapshotError::NotASnapshot { path: path.to_owned() });
        }
        let found = u32::from_le_bytes(reader.array("the format version")?);
        if found != FORMAT_VERSION {
            let newest = FORMAT_VERSION;
            return Err(SnapshotError::UnknownFormatVersion { path: path.to_owned(), found, newest });
        }
        reader.left = reader.left.checked_sub(CHECKSUM_BYTES).ok_or_else(|| SnapshotError::CutOff {
            path: path.to_owned(),
            part: "the checksum",
            expected: CHECKSUM_BYTES,
            found: reader.left,
        })?;
        let options = reader.options()?;
        let mut counts = [0; 6];
        for count in &mut counts {
            *count = reader.number("an event count")?;
        }
        let tenants = reader.tenants(options.max_tenants)?;
        reader.check_sum()?;
        Ok(Self::from_parts(options, EventCounts::from_array(counts), tenants))
    }
}

/// A file that is read from its beginning, and never believed about how much is still to come.
struct Reader<'a> {
    path: &'a Path,
    file: BufReader<File>,
    /// Bytes not read yet, without the checksum.
    left: u64,
    checksum: Sha256,
    buffer: Vec<u8>,
}

impl Reader<'_> {
    fn path(&self) -> PathBuf {
        self.path.to_owned()
    }

    /// The next bytes.
    fn bytes(&mut self, length: u64, part: &'static str) -> Result<&[u8], SnapshotError> {
        if length > self.left {
            return Err(SnapshotError::CutOff { path: self.path(), part, expected: length, found: self.left });
        }
        self.left -= length;
        // No longer than the file, so it fits into memory, or at least is no surprise.
        self.buffer.resize(length as usize, 0);
        let read = self.file.read_exact(&mut self.buffer);
        read.map_err(|source| SnapshotError::Read { path: self.path.to_owned(), source })?;
        self.checksum.update(&self.buffer);
        Ok(&self.buffer)
    }

    fn array<const N: usize>(&mut self, part: &'static str) -> Result<[u8; N], SnapshotError> {
        let bytes = self.bytes(N as u64, part)?;
        Ok(bytes.try_into().expect("this cannot fail because as many bytes were asked for"))
    }

    fn number(&mut self, part: &'static str) -> Result<u64, SnapshotError> {
        self.array(part).map(u64::from_le_bytes)
    }

    fn number_up_to(&mut self, most: u64, field: &'static str) -> Result<u64, SnapshotError> {
        let found = self.number(field)?;
        if found > most {
            return Err(SnapshotError::OutOfRange { path: self.path(), field, found, most });
        }
        Ok(found)
    }

    fn options(&mut self) -> Result<StoreOptions, SnapshotError> {
        let mut size = |field| self.number_up_to(usize::MAX as u64, field);
        let mut millis = || size("a time span").map(u64::cast_signed);
        let (allowed_lateness_ms, max_skew_ms, settle_ms) = (millis()?, millis()?, millis()?);
        let state = StateOptions {
            allowed_lateness_ms,
            max_skew_ms,
            settle_ms,
            max_users: size("the most users")? as usize,
            max_jobs_in_flight: size("the most jobs in flight")? as usize,
            max_held_back: size("the most events held back")? as usize,
            kept: Kept::from_bits(self.number_up_to(u8::MAX.into(), "what is kept")? as u8),
        };
        let max_tenants = self.number_up_to(usize::MAX as u64, "the most tenants")? as usize;
        Ok(StoreOptions { state, max_tenants, ..StoreOptions::default() })
    }

    fn tenants(&mut self, max_tenants: usize) -> Result<Vec<(Box<str>, TenantState)>, SnapshotError> {
        let n_tenants = self.number_up_to(max_tenants as u64, "the number of tenants")?;
        let mut tenants: Vec<(Box<str>, TenantState)> =
            Vec::with_capacity(n_tenants.min(self.left / MIN_TENANT_BYTES / 64) as usize);
        for position in 0..n_tenants {
            let length = u32::from_le_bytes(self.array("the length of an id")?);
            let id = std::str::from_utf8(self.bytes(u64::from(length), "an id")?).map(Box::<str>::from).ok();
            let last = tenants.last().map(|(id, _)| &**id);
            let id = id.filter(|id| last.is_none_or(|last| last < &**id));
            let id = id.ok_or_else(|| SnapshotError::TenantId { path: self.path(), position })?;
            let length = self.number("the length of a state")?;
            let state = TenantState::read_from(self.bytes(length, "a state")?);
            match state {
                Ok(state) => tenants.push((id, state)),
                Err(source) => {
                    let (tenant, source) = (id.into_string(), Box::new(source));
                    return Err(SnapshotError::State { path: self.path(), tenant, source });
                }
            }
        }
        if self.left > 0 {
            return Err(SnapshotError::Surplus { path: self.path(), n_tenants, found: self.left });
        }
        Ok(tenants)
    }

    fn check_sum(mut self) -> Result<(), SnapshotError> {
        let expected = std::mem::take(&mut self.checksum).finalize();
        let mut found = [0; CHECKSUM_BYTES as usize];
        let read = self.file.read_exact(&mut found);
        read.map_err(|source| SnapshotError::Read { path: self.path(), source })?;
        if found[..] != expected[..] {
            return Err(SnapshotError::Checksum { path: self.path() });
        }
        Ok(())
    }
}
