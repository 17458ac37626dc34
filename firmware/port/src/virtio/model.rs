//! A virtio device as the standard describes it, for the tests of its drivers. It panics at what a device would take
//! amiss, and lies where it is told to.

use core::ptr::NonNull;
use std::boxed::Box;
use std::collections::VecDeque;
use std::vec::Vec;

use tapboard_firmware::EthernetAddress;
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{BufferDirection, Error, Hal, PAGE_SIZE, PhysAddr};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{FEATURE_VERSION_1, address};
use crate::ethernet::conformance::{ADDRESS, Chip, Shared};

/// Features of the network device: it says its address and its status, and offers what nobody here wants.
const OFFERED: u64 = FEATURE_VERSION_1 | 1 << 5 | 1 << 16 | 1 << 15 | 1 << 29;

const NET_HEADER: usize = 12;
const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;

const DESCRIPTOR_NEXT: u16 = 1;
const DESCRIPTOR_WRITE: u16 = 2;

/// A queue as the driver has set it up, and how far the device is in it.
#[derive(Clone, Copy, Default)]
struct Queue {
    size: u16,
    descriptors: u64,
    available: u64,
    used: u64,
    seen: u16,
    returned: u16,
}

pub(crate) struct Device {
    pub(crate) kind: DeviceType,
    pub(crate) offered: u64,
    pub(crate) legacy: bool,
    /// It does not agree to the features.
    pub(crate) refuses: bool,
    pub(crate) queues: u16,
    pub(crate) mac: EthernetAddress,
    pub(crate) random: Vec<u8>,
    /// The length that it says, whatever it has written.
    pub(crate) claim: Option<u32>,
    /// The buffer that it says it returns.
    pub(crate) token: Option<u32>,
    accepted: u64,
    status: DeviceStatus,
    queue: [Queue; 2],
    raised: u32,
    /// Of the configuration: whether the cable is in.
    network_status: u8,
    waiting: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
    under_way: VecDeque<u16>,
    held: bool,
}

impl Default for Device {
    fn default() -> Self {
        Self {
            kind: DeviceType::Network,
            offered: OFFERED,
            legacy: false,
            refuses: false,
            queues: 2,
            mac: ADDRESS,
            random: Vec::new(),
            claim: None,
            token: None,
            accepted: 0,
            status: DeviceStatus::empty(),
            queue: [Queue::default(); 2],
            raised: 0,
            network_status: 1,
            waiting: VecDeque::new(),
            sent: Vec::new(),
            under_way: VecDeque::new(),
            held: false,
        }
    }
}

impl Device {
    pub(crate) fn is_reset(&self) -> bool {
        self.status.is_empty()
    }

    pub(crate) fn set_link(&mut self, up: bool) {
        self.network_status = up.into();
        self.raised |= 2;
    }

    fn set_status(&mut self, status: DeviceStatus) {
        self.status = status;
        if status.is_empty() {
            self.queue = [Queue::default(); 2];
            self.raised = 0;
        }
        if self.refuses {
            self.status.remove(DeviceStatus::FEATURES_OK);
        }
    }

    fn notify(&mut self, queue: u16) {
        assert!(self.status.contains(DeviceStatus::DRIVER_OK), "notified before it was started");
        match (self.kind, usize::from(queue)) {
            (DeviceType::Network, RECEIVE) => self.deliver(),
            (DeviceType::Network, TRANSMIT) => self.transmit(),
            (DeviceType::EntropySource, 0) => {
                let random = self.random.clone();
                let head = self.available(0).expect("a buffer");
                self.write(0, head, &random);
            }
            other => panic!("notified of {other:?}"),
        }
    }

    /// The next buffer that the driver has given.
    fn available(&mut self, queue: usize) -> Option<u16> {
        let queue = &mut self.queue[queue];
        if get::<u16>(queue.available + 2) == queue.seen {
            return None;
        }
        let head = get(queue.available + 4 + u64::from(queue.seen % queue.size) * 2);
        queue.seen = queue.seen.wrapping_add(1);
        Some(head)
    }

    /// Where the buffer is, and its length.
    fn buffer(&self, queue: usize, head: u16, flags: u16) -> (u64, u32) {
        let queue = &self.queue[queue];
        assert!(head < queue.size);
        let descriptor = queue.descriptors + u64::from(head) * 16;
        assert_eq!(get::<u16>(descriptor + 12), flags);
        assert_eq!(flags & DESCRIPTOR_NEXT, 0);
        (get(descriptor), get(descriptor + 8))
    }

    fn write(&mut self, queue: usize, head: u16, data: &[u8]) {
        let (address, length) = self.buffer(queue, head, DESCRIPTOR_WRITE);
        for (at, &byte) in (0..length.into()).zip(data) {
            put(address + at, byte);
        }
        self.give_back(queue, head, data.len() as u32);
    }

    fn give_back(&mut self, queue: usize, head: u16, length: u32) {
        let queue = &mut self.queue[queue];
        let element = queue.used + 4 + u64::from(queue.returned % queue.size) * 8;
        put(element, self.token.unwrap_or(head.into()));
        put(element + 4, self.claim.unwrap_or(length));
        queue.returned = queue.returned.wrapping_add(1);
        put(queue.used + 2, queue.returned);
        let unwanted = get::<u16>(queue.available) & 1;
        self.raised |= u32::from(1 - unwanted);
    }

    fn deliver(&mut self) {
        while !self.waiting.is_empty() {
            let Some(head) = self.available(RECEIVE) else { return };
            let mut data = [0; NET_HEADER].to_vec();
            data[10] = 1;
            data.extend(self.waiting.pop_front().unwrap());
            self.write(RECEIVE, head, &data);
        }
    }

    fn transmit(&mut self) {
        while let Some(head) = self.available(TRANSMIT) {
            let (address, length) = self.buffer(TRANSMIT, head, 0);
            let bytes: Vec<u8> = (0..length.into()).map(|at| get(address + at)).collect();
            assert_eq!(bytes[..NET_HEADER], [0; NET_HEADER], "nothing is offloaded");
            self.sent.push(bytes[NET_HEADER..].to_vec());
            self.under_way.push_back(head);
        }
        if !self.held {
            self.finish();
        }
    }

    fn config(&self) -> [u8; 8] {
        let mut config = [0; 8];
        config[..6].copy_from_slice(&self.mac.0);
        config[6] = self.network_status;
        config
    }
}

impl Chip for Device {
    fn arrive(&mut self, frame: &[u8]) {
        self.waiting.push_back(frame.to_vec());
        self.deliver();
    }

    fn hold(&mut self) {
        self.held = true;
    }

    fn finish(&mut self) {
        while let Some(head) = self.under_way.pop_front() {
            self.give_back(TRANSMIT, head, 0);
        }
    }

    fn sent(&mut self) -> Vec<Vec<u8>> {
        core::mem::take(&mut self.sent)
    }

    fn address(&self) -> EthernetAddress {
        self.mac
    }

    fn line(&self) -> bool {
        self.raised != 0
    }
}

impl Transport for &'static Shared<Device> {
    fn device_type(&self) -> DeviceType {
        self.access(|device| device.kind)
    }

    fn read_device_features(&mut self) -> u64 {
        self.access(|device| device.offered)
    }

    fn write_driver_features(&mut self, features: u64) {
        self.access(|device| {
            assert_eq!(features & !device.offered, 0);
            device.accepted = features;
        });
    }

    fn max_queue_size(&mut self, queue: u16) -> u32 {
        self.access(|device| if queue < device.queues { 1024 } else { 0 })
    }

    fn notify(&mut self, queue: u16) {
        self.access(|device| device.notify(queue));
    }

    fn get_status(&self) -> DeviceStatus {
        self.access(|device| device.status)
    }

    fn set_status(&mut self, status: DeviceStatus) {
        self.access(|device| device.set_status(status));
    }

    fn set_guest_page_size(&mut self, _: u32) {
        panic!("only a legacy device has it");
    }

    fn requires_legacy_layout(&self) -> bool {
        self.access(|device| device.legacy)
    }

    fn queue_set(
        &mut self,
        queue: u16,
        size: u32,
        descriptors: PhysAddr,
        available: PhysAddr,
        used: PhysAddr,
    ) {
        self.access(|device| {
            let status = DeviceStatus::FEATURES_OK | DeviceStatus::DRIVER_OK;
            assert_eq!(device.status & status, DeviceStatus::FEATURES_OK);
            let size = size.try_into().unwrap();
            let queue = &mut device.queue[usize::from(queue)];
            *queue = Queue { size, descriptors, available, used, seen: 0, returned: 0 };
        });
    }

    fn queue_unset(&mut self, _: u16) {
        panic!("a reset does that");
    }

    fn queue_used(&mut self, queue: u16) -> bool {
        self.access(|device| device.queue[usize::from(queue)].size != 0)
    }

    fn ack_interrupt(&mut self) -> InterruptStatus {
        let raised = self.access(|device| device.raised);
        self.access(|device| device.raised &= !raised);
        InterruptStatus::from_bits_truncate(raised)
    }

    fn read_config_generation(&self) -> u32 {
        0
    }

    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T, Error> {
        let config = self.access(|device| device.config());
        Ok(T::read_from_bytes(&config[offset..offset + size_of::<T>()]).unwrap())
    }

    fn write_config_space<T: IntoBytes + Immutable>(
        &mut self,
        _: usize,
        _: T,
    ) -> Result<(), Error> {
        panic!("nothing is to be written there");
    }
}

/// Memory as the drivers' tests want it: as much as there is, one after the other.
#[derive(Debug)]
pub(crate) struct Heap;

#[repr(C, align(4096))]
struct Page([u8; PAGE_SIZE]);

// SAFETY: a page is leaked, and so nobody else's for ever; it is aligned by its type, and zeroed.
unsafe impl Hal for Heap {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        assert_eq!(pages, 1);
        let page = NonNull::from(Box::leak(Box::new(Page([0; PAGE_SIZE])))).cast();
        (address(page), page)
    }

    unsafe fn dma_dealloc(_: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        0
    }

    unsafe fn mmio_phys_to_virt(_: PhysAddr, _: usize) -> NonNull<u8> {
        unreachable!()
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        address(buffer.cast())
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}

fn get<T: FromBytes + Copy>(address: u64) -> T {
    let pointer = core::ptr::with_exposed_provenance::<T>(address as usize);
    assert!(pointer.is_aligned() && !pointer.is_null());
    // SAFETY: the address is that of a page or of a buffer of the driver's, which are there for ever. The tests have
    // one thread, and no driver runs meanwhile.
    unsafe { pointer.read_volatile() }
}

fn put<T: IntoBytes>(address: u64, value: T) {
    let pointer = core::ptr::with_exposed_provenance_mut::<T>(address as usize);
    assert!(pointer.is_aligned() && !pointer.is_null());
    // SAFETY: as above.
    unsafe { pointer.write_volatile(value) }
}
