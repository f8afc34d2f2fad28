//! What is looked up once for each card: its kind and its kernels' functions.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use candle_core::{
    CudaDevice, Device, Result,
    cuda_backend::cudarc::driver::{CudaContext, CudaFunction},
};

use super::{File, upload::Staging};

/// A card that is in use.
pub(super) struct Card {
    /// The driver's, open as long as the program runs, for loaded kernels belong to it.
    context: Arc<CudaContext>,
    hopper: bool,
    functions: RwLock<HashMap<File, HashMap<String, CudaFunction>>>,
    pub staging: Mutex<Option<Staging>>,
}

/// All cards in use.
static CARDS: RwLock<Vec<Arc<Card>>> = RwLock::new(Vec::new());

impl Card {
    /// The card that a device computes on.
    pub fn of(device: &CudaDevice) -> Arc<Self> {
        let stream = device.cuda_stream();
        let context = stream.context();
        let among = |cards: &[Arc<Self>]| cards.iter().find(|card| card.context.cu_ctx() == context.cu_ctx()).cloned();
        if let Some(card) = among(&CARDS.read().unwrap_or_else(PoisonError::into_inner)) {
            return card;
        }
        let mut cards = CARDS.write().unwrap_or_else(PoisonError::into_inner);
        among(&cards).unwrap_or_else(|| {
            let hopper = context.compute_capability().ok() == Some((9, 0));
            let (context, functions) = (context.clone(), RwLock::default());
            let card = Arc::new(Self { context, hopper, functions, staging: Mutex::default() });
            cards.push(card.clone());
            card
        })
    }

    /// Whether it is a Hopper: only these have matrix products by groups of warps.
    pub fn is_hopper(&self) -> bool {
        self.hopper
    }

    /// A kernel, loaded when it is first asked for.
    pub fn function(&self, device: &CudaDevice, file: File, kernel: &str) -> Result<CudaFunction> {
        let functions = self.functions.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(function) = functions.get(&file).and_then(|of_file| of_file.get(kernel)) {
            return Ok(function.clone());
        }
        drop(functions);
        let (name, text) = file.name_and_text();
        let function = device.get_or_load_custom_func(kernel, name, text)?.into_cuda_function();
        let mut functions = self.functions.write().unwrap_or_else(PoisonError::into_inner);
        functions.entry(file).or_default().insert(kernel.to_owned(), function.clone());
        Ok(function)
    }
}

/// Whether the device's card is a Hopper.
pub(in crate::ops) fn is_hopper(device: &Device) -> bool {
    device.as_cuda_device().is_ok_and(|device| Card::of(device).is_hopper())
}
