//! The rule that picks a device from the adapters of a machine.
//!
//! A hardware GPU is chosen automatically, best kind first. A software adapter is slower than the
//! CPU backend itself and is chosen only on request. OpenGL lacks half precision and subgroups, so
//! its adapters are chosen only by number.

use super::{
    Error,
    adapter::{AdapterInfo, AdapterKind, Api},
    request::DeviceRequest,
};

/// The picked device.
#[derive(Debug, Clone, PartialEq)]
pub enum Picked {
    Cpu,
    Adapter(AdapterInfo),
}

/// A decision and its reason.
#[derive(Debug, Clone, PartialEq)]
pub struct Pick {
    pub picked: Picked,
    /// The reason, as part of a sentence.
    pub reason: String,
}

const INSTALL: &str = "install the graphics driver (Vulkan on Linux), or give --device cpu";
const LOOK: &str = "`electra devices` lists the devices";

/// Picks from `adapters`. For [`DeviceRequest::Adapter`] this must be the whole list; otherwise it
/// may leave out OpenGL.
///
/// # Errors
/// If no adapter matches the request. `auto` and `cpu` always find one.
pub fn pick(request: DeviceRequest, adapters: &[AdapterInfo]) -> Result<Pick, Error> {
    let not_found = |found: String, advice| {
        Err(Error::NotFound {
            request,
            found,
            advice,
        })
    };
    let take = |adapter: &AdapterInfo, reason: &str| {
        Ok(Pick {
            picked: Picked::Adapter(adapter.clone()),
            reason: reason.to_owned(),
        })
    };
    let usable = |api: Option<Api>| -> Vec<&AdapterInfo> {
        adapters
            .iter()
            .filter(|a| {
                a.lack().is_none() && a.api != Api::Gl && api.is_none_or(|api| a.api == api)
            })
            .collect()
    };
    match request {
        DeviceRequest::Auto => Ok(pick_auto(&usable(None))),
        DeviceRequest::Cpu => Ok(Pick {
            picked: Picked::Cpu,
            reason: "as requested".to_owned(),
        }),
        DeviceRequest::Gpu | DeviceRequest::Api(_) => {
            let api = match request {
                DeviceRequest::Api(api) => Some(api),
                _ => None,
            };
            let usable = usable(api);
            match best_hardware(&usable).or(usable.first().copied()) {
                Some(adapter) if adapter.is_software() => take(
                    adapter,
                    "as requested, and there is no hardware GPU: expect it to be slow",
                ),
                Some(adapter) => take(adapter, "as requested"),
                None => {
                    let apis =
                        api.map_or("Vulkan, Metal or DirectX 12".to_owned(), |a| a.to_string());
                    not_found(format!("no {apis} adapter found"), INSTALL)
                }
            }
        }
        DeviceRequest::Adapter(index) => match adapters.get(index) {
            Some(adapter) => match adapter.lack() {
                None => take(adapter, "as requested"),
                Some(lack) => not_found(format!("{} ({}) {lack}", adapter.name, adapter.api), LOOK),
            },
            None => not_found(format!("this machine has {}", count(adapters.len())), LOOK),
        },
        DeviceRequest::ApiAdapter(api, index) => {
            let usable = usable(Some(api));
            match usable.get(index) {
                Some(adapter) => take(adapter, "as requested"),
                None => not_found(
                    format!("on this machine {api} has {}", count(usable.len())),
                    LOOK,
                ),
            }
        }
    }
}

fn pick_auto(usable: &[&AdapterInfo]) -> Pick {
    if let Some(adapter) = best_hardware(usable) {
        let hardware = usable.iter().filter(|a| !a.is_software()).count();
        let reason = if hardware == 1 {
            "the only hardware GPU".to_owned()
        } else {
            format!("the first of the best kind among {hardware} hardware adapters")
        };
        return Pick {
            picked: Picked::Adapter(adapter.clone()),
            reason,
        };
    }
    let reason = match usable.first() {
        Some(software) => format!(
            "no hardware GPU found; the software adapter {} is used only on request (--device gpu)",
            software.name
        ),
        None => "no Vulkan, Metal or DirectX 12 adapter found".to_owned(),
    };
    Pick {
        picked: Picked::Cpu,
        reason,
    }
}

/// Returns the first adapter of the best kind of hardware.
fn best_hardware<'a>(usable: &[&'a AdapterInfo]) -> Option<&'a AdapterInfo> {
    let rank = |kind| match kind {
        AdapterKind::Discrete => 0,
        AdapterKind::Integrated => 1,
        AdapterKind::Virtual => 2,
        AdapterKind::Other | AdapterKind::Software => 3,
    };
    usable
        .iter()
        .copied()
        .filter(|adapter| !adapter.is_software())
        .min_by_key(|adapter| rank(adapter.kind))
}

/// The adapter of process `number` of those that share a machine's hardware, by its number in `adapters`:
/// each takes another of the best kind, and they begin again with the first if there are fewer. `None`
/// without hardware.
pub fn card_of(adapters: &[AdapterInfo], number: usize) -> Option<usize> {
    let usable = adapters
        .iter()
        .filter(|a| a.lack().is_none() && a.api != Api::Gl);
    let usable: Vec<_> = usable.collect();
    let best = best_hardware(&usable)?;
    let alike = usable
        .iter()
        .filter(|a| a.kind == best.kind && a.api == best.api);
    let cards: Vec<usize> = alike.map(|adapter| adapter.index).collect();
    Some(cards[number % cards.len()])
}

fn count(adapters: usize) -> String {
    match adapters {
        0 => "no adapters".to_owned(),
        1 => "1 adapter, number 0".to_owned(),
        n => format!("{n} adapters, numbers 0 to {}", n - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapters(kinds: &[(&str, AdapterKind, Api)]) -> Vec<AdapterInfo> {
        kinds
            .iter()
            .enumerate()
            .map(|(index, &(name, kind, api))| AdapterInfo {
                index,
                name: name.to_owned(),
                kind,
                api,
                driver: String::new(),
                memory: None,
                max_buffer: 0,
                max_storage_binding: 0,
                max_workgroup_storage: 0,
                max_workgroup_invocations: 0,
                precisions: vec!["f32"],
                subgroup: None,
                cooperative_matrices: Vec::new(),
                compute: name != "old",
                storage_buffers: if name == "small" { 4 } else { 16 },
                nth_of_kind: 0,
            })
            .collect()
    }

    /// Returns the name and reason of the pick, or the error.
    fn picked(request: &str, adapters: &[AdapterInfo]) -> Result<(String, String), String> {
        match pick(request.parse().unwrap(), adapters) {
            Ok(Pick {
                picked: Picked::Cpu,
                reason,
            }) => Ok(("cpu".to_owned(), reason)),
            Ok(Pick {
                picked: Picked::Adapter(adapter),
                reason,
            }) => Ok((adapter.name, reason)),
            Err(error) => Err(error.to_string()),
        }
    }

    fn ok(name: &str, reason: &str) -> Result<(String, String), String> {
        Ok((name.to_owned(), reason.to_owned()))
    }

    use AdapterKind::{Discrete, Integrated, Other, Software, Virtual};
    use Api::{Dx12, Gl, Vulkan};

    #[test]
    fn auto_takes_the_best_hardware() {
        let both = adapters(&[
            ("llvmpipe", Software, Vulkan),
            ("intel", Integrated, Vulkan),
            ("nvidia", Discrete, Vulkan),
            ("nvidia again", Discrete, Dx12),
        ]);
        let reason = "the first of the best kind among 3 hardware adapters";
        assert_eq!(picked("auto", &both), ok("nvidia", reason));
        assert_eq!(picked("gpu", &both), ok("nvidia", "as requested"));
        assert_eq!(picked("dx12", &both), ok("nvidia again", "as requested"));
        let one = adapters(&[("llvmpipe", Software, Vulkan), ("virtio", Virtual, Vulkan)]);
        assert_eq!(picked("auto", &one), ok("virtio", "the only hardware GPU"));
        let vague = adapters(&[("who", Other, Vulkan), ("virtio", Virtual, Vulkan)]);
        let reason = "the first of the best kind among 2 hardware adapters";
        assert_eq!(picked("auto", &vague), ok("virtio", reason));
    }

    #[test]
    fn processes_of_one_machine_take_the_cards_in_turn() {
        let two = adapters(&[
            ("llvmpipe", Software, Vulkan),
            ("nvidia", Discrete, Vulkan),
            ("intel", Integrated, Vulkan),
            ("nvidia", Discrete, Vulkan),
            ("nvidia", Discrete, Dx12),
            ("nvidia", Discrete, Gl),
        ]);
        let taken: Vec<_> = (0..4).map(|number| card_of(&two, number)).collect();
        assert_eq!(taken, [Some(1), Some(3), Some(1), Some(3)]);
        assert_eq!(card_of(&two[..1], 0), None);
    }

    #[test]
    fn software_is_taken_only_when_asked_for() {
        let found = adapters(&[
            ("llvmpipe", Software, Vulkan),
            ("llvmpipe gl", Software, Gl),
        ]);
        let reason = "no hardware GPU found; the software adapter llvmpipe is used only on request (--device gpu)";
        assert_eq!(picked("auto", &found), ok("cpu", reason));
        let reason = "as requested, and there is no hardware GPU: expect it to be slow";
        assert_eq!(picked("gpu", &found), ok("llvmpipe", reason));
        assert_eq!(picked("vulkan", &found), ok("llvmpipe", reason));
        assert_eq!(picked("vulkan:0", &found), ok("llvmpipe", "as requested"));
        assert_eq!(picked("cpu", &found), ok("cpu", "as requested"));
    }

    #[test]
    fn opengl_is_taken_only_by_its_number() {
        let found = adapters(&[("radeon", Other, Gl)]);
        let reason = "no Vulkan, Metal or DirectX 12 adapter found";
        assert_eq!(picked("auto", &found), ok("cpu", reason));
        assert_eq!(
            picked("gpu", &found),
            Err(format!("--device gpu: {reason}; {INSTALL}"))
        );
        assert_eq!(picked("gpu:0", &found), ok("radeon", "as requested"));
    }

    #[test]
    fn what_is_not_there_is_said() {
        assert_eq!(
            picked("auto", &[]),
            ok("cpu", "no Vulkan, Metal or DirectX 12 adapter found")
        );
        assert_eq!(
            picked("vulkan", &[]),
            Err(format!(
                "--device vulkan: no vulkan adapter found; {INSTALL}"
            ))
        );
        assert_eq!(
            picked("gpu:0", &[]),
            Err(format!(
                "--device gpu:0: this machine has no adapters; {LOOK}"
            ))
        );
        let found = adapters(&[("a", Discrete, Vulkan), ("old", Discrete, Gl)]);
        assert_eq!(
            picked("gpu:2", &found),
            Err(format!(
                "--device gpu:2: this machine has 2 adapters, numbers 0 to 1; {LOOK}"
            ))
        );
        assert_eq!(
            picked("vulkan:1", &found),
            Err(format!(
                "--device vulkan:1: on this machine vulkan has 1 adapter, number 0; {LOOK}"
            ))
        );
        assert_eq!(
            picked("gpu:1", &found),
            Err(format!(
                "--device gpu:1: old (gl) runs no compute shaders; {LOOK}"
            ))
        );
        let found = adapters(&[("small", Integrated, Vulkan)]);
        assert_eq!(
            picked("gpu:0", &found),
            Err(format!(
                "--device gpu:0: small (vulkan) binds 4 storage buffers to a shader, 8 are needed; \
                 {LOOK}"
            ))
        );
        assert_eq!(
            picked("vulkan", &found),
            Err(format!(
                "--device vulkan: no vulkan adapter found; {INSTALL}"
            ))
        );
    }
}
