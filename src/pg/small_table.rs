//! A table of a few pages, cached in the backend: a key, and the numbers beside it.
//!
//! The cache is right for as long as the pages are what they were. Each change
//! of a page is written to the WAL, so the page carries the position of its last
//! change (its LSN), on a standby too. A change shows there before its
//! transaction commits, so before any snapshot sees it; no trigger has to report
//! it, and none can be forgotten, disabled, or skipped by a replication worker.
//! Four things decide:
//!
//! - the file, how many pages it has, and the LSN of each;
//! - whether the table's definition changed (`relcache`).
//!
//! A file that this transaction made may be written without WAL, and is not cached.
//! Pages are cached only while no transaction is changing them, this one included: so
//! an uncommitted change is seen by its own transaction alone, and a rollback leaves
//! nothing wrong. A snapshot is answered from the cache only if it sees every
//! transaction that wrote what is cached: one from before a change is answered by SQL.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::CStr;

use pgrx::pg_sys;

use super::compat::{self, attribute};
use super::plain_table::PlainTable;
use super::relation::Relation;
use super::spi::Snapshot;
use super::{relcache, transaction};

/// How many pages a table may have.
const PAGES: u32 = 4;

/// How many transactions may have written what is cached.
const WRITERS: usize = 64;

/// The collations that are equal only where the bytes are: the database's default and C.
const BYTEWISE: [u32; 2] = [100, 950];

/// A table of schema `public` with a column of text, its key, and `N` of integer or
/// boolean.
pub struct SmallTable<const N: usize> {
    table: &'static CStr,
    key: &'static CStr,
    columns: [(&'static CStr, pg_sys::Oid); N],
    cached: RefCell<Option<Pages<N>>>,
    /// For which snapshot the pages were compared last.
    compared: Cell<Option<Moment>>,
}

/// The pages as they were, and their rows.
struct Pages<const N: usize> {
    file: File,
    generation: u64,
    lsns: Vec<pg_sys::XLogRecPtr>,
    writers: Vec<pg_sys::TransactionId>,
    values: HashMap<Vec<u8>, [Option<i32>; N]>,
}

/// A table's file.
#[derive(Clone, Copy, PartialEq, Eq)]
struct File {
    table: pg_sys::Oid,
    space: pg_sys::Oid,
    number: u32,
}

/// What makes two snapshots of a backend the same, and who asks. Of two snapshots
/// with the same `xmax` the later one has the fewer transactions running.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Moment {
    transaction: (u32, pg_sys::SubTransactionId),
    xmin: pg_sys::TransactionId,
    xmax: pg_sys::TransactionId,
    running: (u32, i32),
    command: pg_sys::CommandId,
    generation: u64,
    user: pg_sys::Oid,
}

impl<const N: usize> SmallTable<N> {
    /// A table not read yet.
    pub const fn new(table: &'static CStr, key: &'static CStr, columns: [(&'static CStr, pg_sys::Oid); N]) -> Self {
        Self { table, key, columns, cached: RefCell::new(None), compared: Cell::new(None) }
    }

    /// The values beside the key that this snapshot sees: a number, 0 or 1 for a boolean,
    /// `None` for NULL and where there is no such key. No answer if SQL has to give it.
    pub fn values(&self, key: &str, snapshot: Snapshot) -> Option<[Option<i32>; N]> {
        // SAFETY: inside a transaction. A snapshot that is pushed is popped, or
        // dropped by the abort; one that is not is looked at before another is made.
        unsafe {
            match snapshot {
                Snapshot::Caller if pg_sys::ActiveSnapshotSet() => self.seen_by(pg_sys::GetActiveSnapshot(), key),
                Snapshot::New => {
                    let now = pg_sys::GetTransactionSnapshot();
                    // Nothing is read then, so that no snapshot need be active.
                    if self.is_compared_for(Moment::of(now)?) {
                        return self.found(key);
                    }
                    pg_sys::PushActiveSnapshot(now);
                    let value = self.seen_by(pg_sys::GetActiveSnapshot(), key);
                    pg_sys::PopActiveSnapshot();
                    value
                }
                _ => None,
            }
        }
    }

    /// # Safety
    /// The snapshot must be active.
    unsafe fn seen_by(&self, snapshot: pg_sys::Snapshot, key: &str) -> Option<[Option<i32>; N]> {
        // SAFETY: the caller's promise.
        let moment = unsafe { Moment::of(snapshot)? };
        if !self.is_compared_for(moment) {
            self.compared.set(None);
            let table = PlainTable::open(self.table)?;
            relcache::watch(table.oid());
            let pages = self.cached.take().filter(|pages| pages.is_still(&table));
            let pages = match pages {
                Some(pages) => pages,
                None => self.read(&table)?,
            };
            // SAFETY: as above.
            let is_seen = unsafe { pages.is_seen_by(snapshot) };
            self.cached.replace(Some(pages));
            if !is_seen {
                return None;
            }
            // Opening the table may have brought changes of definitions.
            // SAFETY: as above.
            self.compared.set(unsafe { Moment::of(snapshot) });
        }
        self.found(key)
    }

    fn is_compared_for(&self, moment: Moment) -> bool {
        self.compared.get() == Some(moment)
    }

    /// What is cached for the key, once the pages were compared.
    fn found(&self, key: &str) -> Option<[Option<i32>; N]> {
        let pages = self.cached.borrow();
        let values = &pages.as_ref()?.values;
        let found = values.get(key.as_bytes()).copied();
        Some(found.unwrap_or([None; N]))
    }

    /// Reads the pages; `None` if somebody is changing them, or the table is not
    /// what it should be.
    fn read(&self, table: &Relation) -> Option<Pages<N>> {
        let key = table.column(self.key, pg_sys::TEXTOID)?;
        let mut columns = [0; N];
        for (place, (name, type_oid)) in columns.iter_mut().zip(self.columns) {
            *place = table.column(name, type_oid)? as usize - 1;
        }
        // SAFETY: the column's position is within the descriptor.
        let collation = unsafe { attribute(table.descriptor(), key.into()).attcollation };
        let count = number_of_pages(table);
        if is_new_file(table) {
            return None;
        }
        if !BYTEWISE.contains(&collation.to_u32()) || count > PAGES {
            return None;
        }
        let mut pages = Pages {
            file: File::of(table),
            generation: relcache::generation(),
            lsns: Vec::with_capacity(count as usize),
            writers: Vec::new(),
            values: HashMap::new(),
        };
        for page in 0..count {
            pages.read_page(table, page, key as usize - 1, columns)?;
        }
        Some(pages)
    }
}

impl<const N: usize> Pages<N> {
    fn is_still(&self, table: &Relation) -> bool {
        self.file == File::of(table)
            && self.generation == relcache::generation()
            && self.lsns.len() == number_of_pages(table) as usize
            && (0_u32..).zip(&self.lsns).all(|(page, lsn)| {
                // SAFETY: the page exists, as the table is locked; its pin is
                // released at once. A transaction that changes the page meanwhile
                // had not committed when the snapshot was taken.
                unsafe {
                    let buffer = pg_sys::ReadBuffer(table.0, page);
                    let now = pg_sys::BufferGetLSNAtomic(buffer);
                    pg_sys::ReleaseBuffer(buffer);
                    now == *lsn
                }
            })
    }

    /// Whether the snapshot sees all that was written.
    ///
    /// # Safety
    /// The snapshot must be an active MVCC snapshot.
    unsafe fn is_seen_by(&self, snapshot: pg_sys::Snapshot) -> bool {
        self.writers.iter().all(|writer| {
            // SAFETY: the caller's promise.
            unsafe {
                pg_sys::TransactionIdPrecedes(*writer, (*snapshot).xmin)
                    || !pg_sys::XidInMVCCSnapshot(*writer, snapshot)
            }
        })
    }

    fn read_page(
        &mut self,
        table: &Relation,
        page: pg_sys::BlockNumber,
        key: usize,
        columns: [usize; N],
    ) -> Option<()> {
        // SAFETY: the page exists, as the table is locked, and is pinned and
        // locked for reading until it is released; an error releases both. Items
        // are read within the page's bounds, those that hold a tuple only, and
        // deformed by the table's own descriptor into as many places as it has.
        unsafe {
            let descriptor = table.descriptor();
            let count = (*descriptor).natts as usize;
            let mut datums = vec![pg_sys::Datum::from(0); count];
            let mut nulls = vec![false; count];
            let buffer = pg_sys::ReadBuffer(table.0, page);
            pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_SHARE as i32);
            let content = pg_sys::BufferGetBlock(buffer).cast::<u8>();
            let header = content.cast::<pg_sys::PageHeaderData>();
            let items = (*header).pd_linp.as_ptr();
            let start = std::mem::offset_of!(pg_sys::PageHeaderData, pd_linp);
            let count = usize::from((*header).pd_lower).saturating_sub(start) / size_of::<pg_sys::ItemIdData>();
            let mut complete = true;
            for place in 0..count {
                let item = *items.add(place);
                if item.lp_flags() != pg_sys::LP_NORMAL {
                    continue;
                }
                let mut tuple = pg_sys::HeapTupleData {
                    t_len: item.lp_len(),
                    t_tableOid: table.oid(),
                    t_data: content.add(item.lp_off() as usize).cast(),
                    ..Default::default()
                };
                pgrx::itemptr::item_pointer_set_all(&mut tuple.t_self, page, place as pg_sys::OffsetNumber + 1);
                complete = self.read_tuple(&mut tuple, buffer, descriptor, &mut datums, &mut nulls, (key, columns));
                if !complete {
                    break;
                }
            }
            // Read under the same lock as the rows. A page that was never logged has none.
            let lsn = pg_sys::BufferGetLSNAtomic(buffer);
            pg_sys::UnlockReleaseBuffer(buffer);
            if !complete || lsn == 0 {
                return None;
            }
            self.lsns.push(lsn);
            Some(())
        }
    }

    /// Whether the tuple could be read, and no change of it is under way.
    ///
    /// # Safety
    /// The tuple must lie on the locked page in the buffer, and have this
    /// descriptor; datums and nulls must have a place for each column.
    unsafe fn read_tuple(
        &mut self,
        tuple: &mut pg_sys::HeapTupleData,
        buffer: pg_sys::Buffer,
        descriptor: pg_sys::TupleDesc,
        datums: &mut [pg_sys::Datum],
        nulls: &mut [bool],
        (key, columns): (usize, [usize; N]),
    ) -> bool {
        use pg_sys::HTSV_Result::{HEAPTUPLE_DEAD, HEAPTUPLE_LIVE, HEAPTUPLE_RECENTLY_DEAD};

        let mut deleted_by = pg_sys::InvalidTransactionId;
        // SAFETY: the caller's promise. A key that is compressed or stored out of
        // line is not read.
        unsafe {
            match pg_sys::HeapTupleSatisfiesVacuumHorizon(tuple, buffer, &mut deleted_by) {
                HEAPTUPLE_DEAD => true,
                HEAPTUPLE_RECENTLY_DEAD => self.written_by(deleted_by),
                HEAPTUPLE_LIVE => {
                    pg_sys::heap_deform_tuple(tuple, descriptor, datums.as_mut_ptr(), nulls.as_mut_ptr());
                    let text: *const pg_sys::varlena = datums[key].cast_mut_ptr();
                    if nulls[key] || !(pgrx::varatt_is_4b_u(text) || is_short(text)) {
                        return false;
                    }
                    let text = pgrx::varlena_to_byte_slice(text).to_vec();
                    // A boolean's datum is 0 or 1.
                    let numbers = columns.map(|c| (!nulls[c]).then(|| datums[c].value() as i32));
                    self.written_by(pg_sys::htup::HeapTupleHeaderGetXmin(tuple.t_data))
                        // A key that occurs twice is for SQL to complain about.
                        && self.values.insert(text, numbers).is_none()
                }
                _ => false,
            }
        }
    }

    fn written_by(&mut self, writer: pg_sys::TransactionId) -> bool {
        let is_frozen = writer.into_inner() < pg_sys::FirstNormalTransactionId.into_inner();
        if !is_frozen && !self.writers.contains(&writer) {
            self.writers.push(writer);
        }
        self.writers.len() <= WRITERS
    }
}

/// # Safety
/// The pointer must point to a varlena.
unsafe fn is_short(text: *const pg_sys::varlena) -> bool {
    // SAFETY: the caller's promise.
    unsafe { pgrx::varatt_is_1b(text) && !pgrx::varatt_is_1b_e(text) }
}

fn number_of_pages(table: &Relation) -> pg_sys::BlockNumber {
    // SAFETY: the table is open.
    unsafe { pg_sys::RelationGetNumberOfBlocksInFork(table.0, pg_sys::ForkNumber::MAIN_FORKNUM) }
}

/// Whether this transaction made the table's file: with `wal_level = minimal` it is
/// written without WAL until the commit, and a page that changes has the LSN it had.
fn is_new_file(table: &Relation) -> bool {
    // SAFETY: the table is open.
    unsafe {
        let relation = &*table.0;
        // 0 stands for no subtransaction.
        relation.rd_createSubid != 0 || compat::file_made_in(relation) != 0
    }
}

impl File {
    fn of(table: &Relation) -> Self {
        // SAFETY: the table is open.
        unsafe {
            let relation = &*table.0;
            let (space, number) = compat::file_of(relation);
            Self { table: relation.rd_id, space, number }
        }
    }
}

impl Moment {
    /// `None` for a snapshot that is no MVCC snapshot.
    ///
    /// # Safety
    /// The snapshot must be active, or the last that was made.
    unsafe fn of(snapshot: pg_sys::Snapshot) -> Option<Self> {
        // SAFETY: the caller's promise; the rest reads the backend's state.
        unsafe {
            let snapshot = &*snapshot;
            (snapshot.snapshot_type == pg_sys::SnapshotType::SNAPSHOT_MVCC).then(|| Self {
                transaction: (transaction::local_number(), pg_sys::GetCurrentSubTransactionId()),
                xmin: snapshot.xmin,
                xmax: snapshot.xmax,
                running: (snapshot.xcnt, snapshot.subxcnt),
                command: snapshot.curcid,
                generation: relcache::generation(),
                user: pg_sys::GetUserId(),
            })
        }
    }
}
