//! A board's settings in NOR flash: the chip's own, or one beside it.
//!
//! They are the one item of a map of the crate `sequential-storage`, which writes each new one behind the last and erases a
//! page only when all are full, so that flash wears evenly; a checksum says whether an item is whole. As the table is one
//! item, what is found after a power cut is the one of before or the new one.
//!
//! That crate is for drivers that wait (`embedded-storage-async`). Those of most chips' own flash, and all that this one
//! asks for, block (`embedded-storage`): no future of theirs is ever pending, and each is polled once.
//!
//! Cost: 14 KiB of flash on a Cortex-M3, the shell's commands included; the table; and 288 bytes of the call stack at boot
//! and while it saves. Erasing a page blocks for as long as the flash takes. Give it two pages at least, and nothing else a
//! place in them.

use core::ops::Range;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use embedded_storage::nor_flash::{ErrorType, NorFlash};
use embedded_storage_async::nor_flash as waiting;
use sequential_storage::cache::Cache;
use sequential_storage::map::{MapConfig, MapStorage};
use sequential_storage::{Error, cache};
use tapboard_firmware::config::SETTINGS_SIZE;
use tapboard_firmware::settings::{SaveError, Settings, Table};

/// The item's key.
const KEY: u8 = 0;

/// The longest word that a flash writes at a time.
const WORD: usize = 32;

/// Room for the item, as some flash wants it in RAM.
#[repr(align(32))]
struct Item([u8; (size_of::<u8>() + SETTINGS_SIZE).next_multiple_of(WORD)]);

type Uncached = Cache<cache::Uncached, cache::Uncached, cache::Uncached, u8>;

/// Settings in the flash `F`.
pub struct FlashSettings<F: NorFlash> {
    map: MapStorage<u8, Ready<F>, Uncached>,
    table: Table,
    /// What is in the flash can be read, or there is nothing in it.
    sound: bool,
}

impl<F: NorFlash> core::fmt::Debug for FlashSettings<F> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FlashSettings").field("table", &self.table).finish_non_exhaustive()
    }
}

impl<F: NorFlash> FlashSettings<F> {
    /// The settings in the bytes `range` of `flash`, two whole pages or more. If they are damaged, which a power cut alone
    /// does not do, there are none, and the log says so.
    ///
    /// # Panics
    /// If that is not what `range` is, or a page has no room for twice [`SETTINGS_SIZE`] bytes, and 128 at most beside them.
    pub fn open(flash: F, range: Range<u32>) -> Self {
        let config = MapConfig::try_new(range);
        let config = config.unwrap_or_else(|_| panic!("two pages of the flash, or more"));
        // A page has its state at both its ends, and room for the old item, should that have to move, and for the new one.
        let (word, head) = (F::WRITE_SIZE, F::WRITE_SIZE.max(8));
        assert!(F::ERASE_SIZE >= 2 * (word + head + size_of::<Item>()), "a page is larger");
        let map = MapStorage::new(Ready(flash), config, Cache::new_uncached());
        let mut settings = Self { map, table: Table::new(), sound: true };
        match settings.read() {
            Ok(Some(table)) => settings.table = table,
            Ok(None) => {}
            Err(_) => {
                log::warn!(
                    "no settings can be read: what is built in is in effect, and save makes new ones"
                );
                settings.sound = false;
            }
        }
        settings
    }

    /// What is in the flash, if there is anything.
    fn read(&mut self) -> Result<Option<Table>, Unreadable> {
        let mut item = Item::EMPTY;
        let found =
            now(self.map.fetch_item::<&[u8]>(&mut item.0, &KEY)).map_err(|error| match error {
                Error::Storage { .. } => Unreadable::Failed,
                _ => Unreadable::Damaged,
            })?;
        found.map(|text| Table::parse(text).map_err(|_| Unreadable::Damaged)).transpose()
    }

    /// Puts the table behind what is in the flash.
    fn append(&mut self) -> Result<(), Error<F::Error>> {
        let mut item = Item::EMPTY;
        now(self.map.store_item(&mut item.0, &KEY, &self.table.as_bytes()))
    }
}

impl<F: NorFlash> Settings for FlashSettings<F> {
    fn table(&mut self) -> &mut Table {
        &mut self.table
    }

    fn save(&mut self) -> Result<(), SaveError> {
        if !self.sound {
            // Only what is damaged is erased: a read that failed once says nothing of what is there.
            match self.read() {
                Err(Unreadable::Damaged) => now(self.map.erase_all()).map_err(|_| SaveError)?,
                Err(Unreadable::Failed) => {
                    log::warn!("the flash with the settings cannot be read");
                    return Err(SaveError);
                }
                Ok(_) => {
                    log::warn!(
                        "what was saved can be read again: reset first, or it would be lost"
                    );
                    return Err(SaveError);
                }
            }
            self.sound = true;
        }
        if self.append().is_err() {
            log::warn!("the flash does not take the settings");
            self.sound = self.read().is_ok();
            return Err(SaveError);
        }
        self.table.saved();
        Ok(())
    }
}

/// Why there is no table.
#[derive(Debug)]
enum Unreadable {
    /// What is in the flash is none.
    Damaged,
    /// The flash cannot be read, which says nothing of what is in it.
    Failed,
}

impl Item {
    const EMPTY: Self = Self([0; size_of::<Self>()]);
}

/// The value of a future that waits for nothing.
///
/// # Panics
/// If it does.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("a flash that blocks has nothing to wait for"),
    }
}

/// A flash that blocks, as one that could wait and does not have to.
struct Ready<F>(F);

impl<F: ErrorType> ErrorType for Ready<F> {
    type Error = F::Error;
}

impl<F: NorFlash> waiting::ReadNorFlash for Ready<F> {
    const READ_SIZE: usize = F::READ_SIZE;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), F::Error> {
        self.0.read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl<F: NorFlash> waiting::NorFlash for Ready<F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), F::Error> {
        self.0.erase(from, to)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), F::Error> {
        self.0.write(offset, bytes)
    }
}

#[cfg(test)]
mod tests;
