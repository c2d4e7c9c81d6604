//! The boot loader's decision: which slot to start. Runs before every start of the application, on the same state.

use core::fmt;

use crate::state::{self, Journal};
use crate::{BootState, Hardware, Image, RolledBack, Slot, Slots};

/// What to start.
#[derive(Debug)]
pub struct Boot {
    /// The slot.
    pub slot: Slot,
    /// The image in it: read back and hashed a moment ago.
    pub image: Image,
    /// Whether it must still prove itself.
    pub trial: bool,
    pub(crate) state: BootState,
    pub(crate) journal: Journal,
}

/// Nothing can be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootError<E> {
    /// The state store cannot be read.
    ReadState(E),
    /// A slot cannot be read.
    ReadSlot(E),
    /// The device was never provisioned, or both copies of its state are gone.
    NoState,
    /// No slot holds the image that the state says it holds.
    NoImage,
}

impl<E> fmt::Display for BootError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadState(_) => "the boot state cannot be read",
            Self::ReadSlot(_) => "a firmware slot cannot be read",
            Self::NoState => "there is no boot state: the device was never provisioned",
            Self::NoImage => "no firmware slot holds the image it should hold",
        })
    }
}

impl<E: core::error::Error + 'static> core::error::Error for BootError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::ReadState(error) | Self::ReadSlot(error) => Some(error),
            Self::NoState | Self::NoImage => None,
        }
    }
}

/// Writes a new device's first state. Done once, in the factory; `image` must already be in `slot`.
///
/// # Errors
/// The state store refused.
pub fn provision<H: Hardware>(hardware: &mut H, slot: Slot, image: Image) -> Result<(), H::Error> {
    state::initialise(hardware.state(), &BootState::factory(slot, image))
}

/// What the state store holds now; `None` if no copy is valid. For diagnosis: [`boot`] reads it itself.
///
/// # Errors
/// The state store cannot be read.
pub fn stored_state<H: Hardware>(hardware: &mut H) -> Result<Option<BootState>, H::Error> {
    Ok(state::load(hardware.state())?.map(|(state, _)| state))
}

/// Decides what to start. An image on trial is started at most `trial_boots` times without being confirmed; each start
/// is counted *before* it happens, so that a crash, a hang or a power cut in it counts too.
///
/// # Errors
/// [`BootError`]: the device stays in its boot loader.
pub fn boot<H: Hardware>(hardware: &mut H, trial_boots: u8) -> Result<Boot, BootError<H::Error>> {
    let (mut state, mut journal) =
        state::load(hardware.state()).map_err(BootError::ReadState)?.ok_or(BootError::NoState)?;

    if let Some(trial) = state.trial {
        let image = state.images[trial.slot.index()];
        let worth_a_try = match &image {
            Some(image) if trial.boots < trial_boots => {
                hardware.slots().holds(trial.slot, image).map_err(BootError::ReadSlot)?
            }
            _ => false,
        };
        let mut next = state;
        if worth_a_try {
            next.trial = Some(crate::Trial { boots: trial.boots + 1, ..trial });
        } else {
            next.trial = None;
            next.images[trial.slot.index()] = None;
            next.rolled_back = image.map(|image| RolledBack { image, command: trial.command });
        }
        // An attempt that cannot be counted is not made: a device with a failing state store stays on what it confirmed.
        if state::save(hardware.state(), &mut journal, &next).is_ok() {
            state = next;
            if let (true, Some(image)) = (worth_a_try, image) {
                return Ok(Boot { slot: trial.slot, image, trial: true, state, journal });
            }
        }
    }

    for slot in [state.confirmed, state.confirmed.other()] {
        let on_trial = state.trial.is_some_and(|trial| trial.slot == slot);
        let Some(image) = state.images[slot.index()] else { continue };
        if on_trial || !hardware.slots().holds(slot, &image).map_err(BootError::ReadSlot)? {
            continue;
        }
        if slot != state.confirmed {
            // The confirmed image rotted away; its predecessor is whole. If this cannot be saved, the next boot finds
            // the same and decides the same.
            let next = BootState { confirmed: slot, ..state };
            if state::save(hardware.state(), &mut journal, &next).is_ok() {
                state = next;
            }
        }
        return Ok(Boot { slot, image, trial: false, state, journal });
    }
    Err(BootError::NoImage)
}
