//! The hardware beside the network: entropy, settings and reset. The machine has no LED and no sensor, and what stands for
//! them here is a flag, and room temperature.

use tapboard_firmware::Board;
#[cfg(feature = "settings")]
use tapboard_firmware::Settings;
#[cfg(feature = "settings")]
use tapboard_port::flash::IntelFlash;
#[cfg(feature = "settings")]
use tapboard_port::mmio::Block;
#[cfg(feature = "settings")]
use tapboard_port::settings::FlashSettings;

use crate::chip;
#[cfg(feature = "settings")]
use crate::chip::{FLASH_BLOCK, FLASH_SIZE, SETTINGS};

/// What there is.
#[derive(Debug)]
pub(crate) struct Hardware {
    entropy: Option<u64>,
    lit: bool,
    #[cfg(feature = "settings")]
    settings: FlashSettings<IntelFlash<Block, FLASH_BLOCK>>,
}

impl Hardware {
    /// With the entropy that a virtio device gave, and the settings in the last two blocks of the flash.
    pub(crate) fn new(entropy: u64, #[cfg(feature = "settings")] flash: Block) -> Self {
        Self {
            entropy: Some(entropy),
            lit: false,
            #[cfg(feature = "settings")]
            settings: FlashSettings::open(IntelFlash::new(flash, FLASH_SIZE), SETTINGS),
        }
    }
}

impl Board for Hardware {
    fn set_led(&mut self, on: bool) {
        self.lit = on;
    }

    fn led(&self) -> bool {
        self.lit
    }

    fn temperature_mc(&mut self) -> i32 {
        20_000
    }

    fn entropy(&mut self) -> Option<u64> {
        self.entropy.take()
    }

    #[cfg(feature = "settings")]
    fn settings(&mut self) -> Option<&mut dyn Settings> {
        Some(&mut self.settings)
    }

    fn reset(&mut self) {
        chip::reset();
    }
}
