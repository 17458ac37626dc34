//! Pages and the entropy device, with a device that does in one notification what it is told to.

use std::boxed::Box;
use std::vec::Vec;

use super::*;
use crate::ethernet::conformance::Shared;
use crate::virtio::model::{Device, Heap};

#[test]
fn a_page_has_one_user_at_a_time_and_comes_zeroed() {
    let memory = [const { Page::new() }; 2];
    let taken = [const { AtomicBool::new(false) }; 2];
    let pages = Pages { pages: &memory, taken: &taken };
    let first = pages.take().unwrap();
    let second = pages.take().unwrap();
    assert_ne!(first, second);
    assert!(first.addr().get().is_multiple_of(PAGE_SIZE));
    assert_eq!(pages.take(), None);
    // SAFETY: the page is this test's.
    unsafe { first.write_bytes(0xff, PAGE_SIZE) };
    pages.give(first);
    assert_eq!(pages.take(), Some(first));
    // SAFETY: the page is this test's again.
    assert_eq!(unsafe { first.cast::<[u8; PAGE_SIZE]>().read() }, [0; PAGE_SIZE]);
    assert_eq!(pages.take(), None);
}

#[test]
fn without_a_page_there_is_no_memory() {
    let taken: Vec<_> = (0..4).map(|_| Statics::dma_alloc(1, BufferDirection::Both)).collect();
    assert!(taken.iter().all(|&(address, _)| address != 0));
    assert_eq!(Statics::dma_alloc(1, BufferDirection::Both).0, 0);
    for (address, page) in taken {
        // SAFETY: it was allocated above, and nobody uses it.
        assert_eq!(unsafe { Statics::dma_dealloc(address, page, 1) }, 0);
    }
    assert_eq!(Statics::dma_alloc(2, BufferDirection::Both).0, 0, "not one behind the other");
}

fn seed(change: fn(&mut Device)) -> Result<u64, Error> {
    let mut device = Device::default();
    device.kind = DeviceType::EntropySource;
    change(&mut device);
    let device = Shared::leak(device);
    let seed = entropy::<Heap>(device, Box::leak(Box::new([0; 8])));
    assert!(
        device.chip.borrow().is_reset()
            || matches!(seed, Err(Error::Legacy | Error::Features | Error::Queue))
    );
    seed
}

#[test]
fn a_seed_is_what_the_device_writes() {
    assert_eq!(
        seed(|device| device.random = b"8 bytes!".into()),
        Ok(u64::from_ne_bytes(*b"8 bytes!"))
    );
}

#[test]
fn a_device_without_entropy_gives_an_error() {
    assert_eq!(seed(|device| device.random = b"7 bytes".into()), Err(Error::Silent));
    assert_eq!(seed(|device| device.claim = Some(u32::MAX)), Err(Error::Silent));
    assert_eq!(seed(|device| device.kind = DeviceType::Network), Err(Error::Absent));
    assert_eq!(seed(|device| device.offered = 0), Err(Error::Legacy));
    assert_eq!(seed(|device| device.refuses = true), Err(Error::Features));
    assert_eq!(seed(|device| device.queues = 0), Err(Error::Queue));
}
