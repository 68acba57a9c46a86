//! Work spread over the cores of a CPU device, one item a core.
//!
//! Burn's CPU backend computes only large products on several cores, and those in pieces so small
//! that the cores wait for each other. Whole items of work side by side keep them busy.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
    thread,
};

use burn::{backend::DispatchDevice, tensor::Device};

/// Whether `device` is the CPU backend, with or without autodiff.
pub fn is_cpu(device: &Device) -> bool {
    matches!(
        device.clone().without_autodiff().as_dispatch(),
        DispatchDevice::Flex(_)
    )
}

/// How many items a device computes side by side: the cores of the CPU, 1 on a GPU.
pub fn lanes(device: &Device) -> usize {
    if is_cpu(device) {
        thread::available_parallelism().map_or(1, NonZeroUsize::get)
    } else {
        1
    }
}

/// Computes every item, each on one core and as many at once as there are cores; results stand
/// in the order of the items.
pub fn alone_on_a_core<T: Sync, R: Send>(
    items: &[T],
    compute: impl Fn(usize, &T) -> R + Sync,
) -> Vec<R> {
    let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let next = Mutex::new(0..items.len());
    let results = Mutex::new(Vec::with_capacity(items.len()));
    let work = || {
        loop {
            let place = next.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(place) = place else { return };
            let result = compute(place, &items[place]);
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            results.push((place, result));
        }
    };
    thread::scope(|scope| {
        for _ in 0..workers.min(items.len()) {
            scope.spawn(|| {
                // A pool of one thread keeps products on this core.
                match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
                    Ok(pool) => pool.install(work),
                    Err(_) => work(),
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|(place, _)| *place);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..100).collect();
        let squares = alone_on_a_core(&items, |place, item| place as u64 * item);
        assert_eq!(squares, items.iter().map(|i| i * i).collect::<Vec<_>>());
    }

    #[test]
    fn the_cpu_is_told_from_others_with_autodiff_too() {
        assert!(is_cpu(&Device::flex()) && is_cpu(&Device::flex().autodiff()));
    }
}
