//! What a virtio device and its driver share: pages for their rings, and buffers that go to and fro.
//!
//! virtio-drivers knows the rings' layout and the registers; here is what makes them safe to use without a heap. A
//! [`Ring`] owns the buffers that the device has, so that nobody else touches them meanwhile. What the device says
//! is not believed: a buffer that it does not have cannot come back, and a length that the buffer has not is 0.
//! A device that returns what it was not given is not listened to any more.
//!
//! Cost: a page of 4 KiB for each half of each ring, of which a ring of four buffers uses 100 bytes; that is
//! virtio-drivers' way to allocate. Memory is the same for the device as for the processor: there is no MMU, no
//! IOMMU, and no cache that the device does not see.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering, fence};

use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{DeviceStatus, DeviceType, Transport};
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

/// The device follows version 1 of the standard, and not only what was before it.
const FEATURE_VERSION_1: u64 = 1 << 32;

/// Readings in which a reset is over.
const RESET_READINGS: u32 = 100_000;
/// Readings in which a seed is there: about a second.
const SEED_READINGS: u32 = 20_000_000;

/// What a device is not, or did not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// There is none of that kind.
    Absent,
    /// It is from before version 1 of the standard.
    Legacy,
    /// The reset does not end.
    Reset,
    /// It takes back what it offered.
    Features,
    /// It has no such queue, or there is no page for it.
    Queue,
    /// It has another address than the one that was asked for.
    Address,
    /// It gives no entropy.
    Silent,
}

impl Error {
    /// What it is, and what to look at.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Absent => "no such virtio device; start QEMU as firmware/boards/qemu does",
            Self::Legacy => {
                "a legacy virtio device; start QEMU with -global virtio-mmio.force-legacy=false"
            }
            Self::Reset => "the virtio device's reset does not end; check its address",
            Self::Features => "the virtio device refuses the features that it offered",
            Self::Queue => "a virtio queue cannot be set up; are there pages for all of them?",
            Self::Address => {
                "the virtio network device has another address; give it the board's with mac="
            }
            Self::Silent => {
                "the virtio device gives no entropy; check where the host takes it from"
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for Error {}

/// Resets the device, which is of the kind `kind`, and settles on those of the features `wanted` that it offers.
/// Queues are set up next, and [`Transport::finish_init`] starts it: until then it touches no memory.
pub(crate) fn begin(
    transport: &mut impl Transport,
    kind: DeviceType,
    wanted: u64,
) -> Result<u64, Error> {
    if transport.device_type() != kind {
        return Err(Error::Absent);
    }
    reset(transport)?;
    let mut status = DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER;
    transport.set_status(status);
    let offered = transport.read_device_features();
    if transport.requires_legacy_layout() || offered & FEATURE_VERSION_1 == 0 {
        return Err(Error::Legacy);
    }
    let features = offered & wanted | FEATURE_VERSION_1;
    transport.write_driver_features(features);
    status |= DeviceStatus::FEATURES_OK;
    transport.set_status(status);
    if !transport.get_status().contains(DeviceStatus::FEATURES_OK) {
        return Err(Error::Features);
    }
    Ok(features)
}

fn reset(transport: &mut impl Transport) -> Result<(), Error> {
    transport.set_status(DeviceStatus::empty());
    let over = (0..RESET_READINGS).any(|_| transport.get_status().is_empty());
    over.then_some(()).ok_or(Error::Reset)
}

/// Who writes into the buffers of a [`Ring`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    Device,
    Driver,
}

/// A queue of at most `N` buffers that the device has.
pub(crate) struct Ring<H: Hal, const N: usize> {
    queue: VirtQueue<H, N>,
    index: u16,
    writer: Writer,
    /// What the device has, by the queue's name for it, and how much of each it was given.
    lent: [Option<(&'static mut [u8], usize)>; N],
    broken: bool,
}

impl<H: Hal, const N: usize> fmt::Debug for Ring<H, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("index", &self.index).finish_non_exhaustive()
    }
}

impl<H: Hal, const N: usize> Ring<H, N> {
    /// The queue `index` of a device that was begun with.
    pub(crate) fn new(
        transport: &mut impl Transport,
        index: u16,
        writer: Writer,
    ) -> Result<Self, Error> {
        let queue = VirtQueue::new(transport, index, false, false).map_err(|_| Error::Queue)?;
        Ok(Self { queue, index, writer, lent: [const { None }; N], broken: false })
    }

    /// Gives the device the first `length` bytes of a buffer, at least one. It has at most `N` buffers.
    pub(crate) fn lend(
        &mut self,
        transport: &mut impl Transport,
        buffer: &'static mut [u8],
        length: usize,
    ) {
        let part = &mut buffer[..length];
        // SAFETY: the buffer is there for ever, and in `lent`, where nobody looks into it, until it is popped.
        let token = unsafe {
            match self.writer {
                Writer::Device => self.queue.add(&[], &mut [part]),
                Writer::Driver => self.queue.add(&[part], &mut []),
            }
        };
        let Ok(token) = token else { unreachable!("a queue has room for its buffers") };
        self.lent[usize::from(token)] = Some((buffer, length));
        // Either the device sees the buffer, or we see that it wants to be told.
        fence(Ordering::SeqCst);
        if self.queue.should_notify() {
            transport.notify(self.index);
        }
    }

    /// Whether a buffer is back.
    pub(crate) fn returned(&mut self) -> bool {
        self.next().is_some()
    }

    /// A buffer that is back, and how much of it the device has written.
    pub(crate) fn take(&mut self) -> Option<(&'static mut [u8], usize)> {
        let token = self.next()?;
        let (buffer, lent) = self.lent[usize::from(token)].take()?;
        let part = &mut buffer[..lent];
        // SAFETY: this part of the buffer is the one that was added under this token.
        let length = unsafe {
            match self.writer {
                Writer::Device => self.queue.pop_used(token, &[], &mut [part]),
                Writer::Driver => self.queue.pop_used(token, &[part], &mut []),
            }
        };
        let Ok(length) = length else {
            // It names another one now than a moment ago, and may have this one still.
            self.lent[usize::from(token)] = Some((buffer, lent));
            self.fail();
            return None;
        };
        let length = usize::try_from(length).ok().filter(|&length| length <= lent);
        Some((buffer, length.unwrap_or(0)))
    }

    /// Which buffer is back.
    fn next(&mut self) -> Option<u16> {
        if self.broken {
            return None;
        }
        let token = self.queue.peek_used()?;
        if self.lent.get(usize::from(token)).is_some_and(Option::is_some) {
            return Some(token);
        }
        self.fail();
        None
    }

    /// For good: what is in its queue now cannot be taken out.
    fn fail(&mut self) {
        self.broken = true;
        log::error!("the virtio device returns what it has not; reset the board");
    }

    /// Whether the device is to interrupt when it returns a buffer; what it has returned before is looked for next.
    pub(crate) fn interrupt(&mut self, enable: bool) {
        self.queue.set_dev_notify(enable);
        // Either the device sees that, or we see what it has returned.
        fence(Ordering::SeqCst);
    }
}

/// A seed from an entropy device, which is reset afterwards. The error is why there is none.
pub fn entropy<H: Hal>(
    mut transport: impl Transport,
    buffer: &'static mut [u8; 8],
) -> Result<u64, Error> {
    begin(&mut transport, DeviceType::EntropySource, 0)?;
    let mut ring = Ring::<H, 1>::new(&mut transport, 0, Writer::Device)?;
    transport.finish_init();
    ring.interrupt(false);
    ring.lend(&mut transport, buffer, size_of::<u64>());
    let came = (0..SEED_READINGS).any(|_| ring.returned()) && !cfg!(feature = "no-entropy");
    let seed = ring.take().and_then(|(buffer, length)| buffer[..length].try_into().ok());
    // A page that the device may still use is not given back.
    if let Err(error) = reset(&mut transport) {
        core::mem::forget(ring);
        return Err(error);
    }
    seed.filter(|_| came).map(u64::from_ne_bytes).ok_or(Error::Silent)
}

/// Pages, and which of them somebody has: apart, for what is beside a page in a struct takes a page as well.
struct Pages<'a> {
    pages: &'a [Page],
    taken: &'a [AtomicBool],
}

#[repr(C, align(4096))]
struct Page(UnsafeCell<[u8; PAGE_SIZE]>);

const _: () = assert!(align_of::<Page>() == PAGE_SIZE);

// SAFETY: its bytes are reached through `Pages::take` alone, which gives each page to one user at a time.
unsafe impl Sync for Page {}

impl Page {
    const fn new() -> Self {
        Self(UnsafeCell::new([0; PAGE_SIZE]))
    }
}

impl Pages<'_> {
    /// A page that nobody has, of zeroes.
    fn take(&self) -> Option<NonNull<u8>> {
        let mut pages = self.pages.iter().zip(self.taken);
        let (page, _) = pages.find(|(_, taken)| !taken.swap(true, Ordering::Acquire))?;
        let page = NonNull::new(page.0.get().cast::<u8>())?;
        // SAFETY: it is `PAGE_SIZE` bytes, and nobody else's.
        unsafe { page.write_bytes(0, PAGE_SIZE) };
        Some(page)
    }

    /// Takes a page back.
    fn give(&self, page: NonNull<u8>) {
        let mut pages = self.pages.iter().zip(self.taken);
        if let Some((_, taken)) = pages.find(|(own, _)| own.0.get().cast() == page.as_ptr()) {
            taken.store(false, Ordering::Release);
        }
    }
}

/// For the two rings of a network device; those of the entropy device are there before it.
static MEMORY: [Page; 4] = [const { Page::new() }; 4];
static TAKEN: [AtomicBool; 4] = [const { AtomicBool::new(false) }; 4];
static PAGES: Pages<'_> = Pages { pages: &MEMORY, taken: &TAKEN };

/// Memory of statics, at the same address for the device.
#[derive(Debug)]
pub struct Statics;

// SAFETY: a page is a static's, aligned by its type, zeroed when it is given, and nobody else's until it is given
// back; the device sees it, and any buffer, where the processor does.
unsafe impl Hal for Statics {
    /// A ring's half is never more than a page here; more there is not.
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let page = if pages == 1 { PAGES.take() } else { None };
        page.map_or((0, NonNull::dangling()), |page| (address(page), page))
    }

    unsafe fn dma_dealloc(_: PhysAddr, page: NonNull<u8>, _: usize) -> i32 {
        PAGES.give(page);
        0
    }

    unsafe fn mmio_phys_to_virt(_: PhysAddr, _: usize) -> NonNull<u8> {
        unreachable!("only PCI asks for it")
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        address(buffer.cast())
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}

/// The device may reach what is there from now on.
fn address(pointer: NonNull<u8>) -> PhysAddr {
    pointer.as_ptr().expose_provenance() as PhysAddr
}

#[cfg(test)]
pub(crate) mod model;
#[cfg(test)]
mod tests;
