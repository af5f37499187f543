//! Shares the bandwidth of one receiver among its sources.

use super::single_source::{Candidates, LayerRate};
use crate::endpoint::VideoType;
use crate::forward::Layer;

/// Most that the first source may exceed the estimate by, bits per second.
const OVERSEND_MAX_BPS: u64 = 500_000;

/// A source as wanted by the receiver; they come in order of priority.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// Its layers in ascending quality.
    pub layers: &'a [LayerRate],
    /// Height wanted; 0 is nothing.
    pub height: i32,
    /// Whether it is on stage.
    pub on_stage: bool,
    /// What it shows.
    pub video_type: VideoType,
}

/// What a source gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allocated {
    /// Layer to forward; `None` although wanted means suspended for lack of bandwidth.
    pub target: Option<Layer>,
    /// Its bitrate.
    pub target_bps: u64,
    /// Bitrate of what it would get without any limit of bandwidth.
    pub ideal_bps: u64,
}

struct Share {
    candidates: Candidates,
    on_stage: bool,
    target: Option<usize>,
}

/// Shares `bandwidth_bps` (`None`: without limit) among `wanted`, which come in order of priority.
#[must_use]
pub fn allocate(wanted: &[Wanted<'_>], bandwidth_bps: Option<u64>) -> Vec<Allocated> {
    let mut shares: Vec<Option<Share>> = wanted
        .iter()
        .map(|wanted| {
            if wanted.height == 0 || wanted.layers.is_empty() {
                return None;
            }
            let candidates = Candidates::choose(wanted.layers, wanted.height, wanted.on_stage, wanted.video_type);
            (!candidates.layers.is_empty()).then_some(Share { candidates, on_stage: wanted.on_stage, target: None })
        })
        .collect();
    let mut remaining = bandwidth_bps.unwrap_or(u64::MAX / 2);
    loop {
        let before: Vec<_> = shares.iter().flatten().map(|share| share.target).collect();
        let mut first = true;
        for share in shares.iter_mut().flatten() {
            let cost_before = share.target_bps();
            let budget = remaining.saturating_add(cost_before);
            share.improve(budget, first);
            remaining = budget.saturating_sub(share.target_bps());
            first = false;
            // Until the source on stage is as it should be, the others wait.
            if share.on_stage && share.target.is_none_or(|target| target < share.candidates.preferred) {
                break;
            }
        }
        let after: Vec<_> = shares.iter().flatten().map(|share| share.target).collect();
        if before == after {
            break;
        }
    }
    shares
        .iter()
        .map(|share| {
            share.as_ref().map_or_else(Allocated::default, |share| {
                let ideal = share.candidates.layers.last().map_or(0, |layer| layer.bitrate_bps);
                Allocated {
                    target: share.target.map(|at| share.candidates.layers[at].layer),
                    target_bps: share.target_bps(),
                    ideal_bps: ideal,
                }
            })
        })
        .collect()
}

impl Share {
    fn target_bps(&self) -> u64 {
        self.target.map_or(0, |at| self.candidates.layers[at].bitrate_bps)
    }

    /// Goes one step up, or on stage to the preferred layer at once, for at most `budget` in all.
    fn improve(&mut self, budget: u64, first: bool) {
        let layers = &self.candidates.layers;
        match self.target {
            None if self.on_stage => {
                self.target = (0..=self.candidates.preferred).rev().find(|&at| layers[at].bitrate_bps <= budget);
            }
            _ => {
                let next = self.target.map_or(0, |at| at + 1);
                if layers.get(next).is_some_and(|layer| layer.bitrate_bps <= budget) {
                    self.target = Some(next);
                }
            }
        }
        if first
            && let Some(oversend) = self.candidates.oversend
            && self.target.is_none_or(|at| at < oversend)
            && layers[oversend].bitrate_bps <= budget.saturating_add(OVERSEND_MAX_BPS)
        {
            self.target = Some(oversend);
        }
        // A better layer that costs no more is always the better choice.
        if let Some(at) = self.target
            && let Some(better) =
                (at + 1..layers.len()).rev().find(|&better| layers[better].bitrate_bps <= layers[at].bitrate_bps)
        {
            self.target = Some(better);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three encodings of three temporal layers each, with the rates (kbps) that the published allocation
    /// scenarios use: 50, 100, 150 for 180p; 200, 300, 500 for 360p; 700, 1000, 2000 for 720p.
    fn camera() -> Vec<LayerRate> {
        let rates = [50, 100, 150, 200, 300, 500, 700, 1_000, 2_000];
        rates
            .into_iter()
            .enumerate()
            .map(|(at, kbps)| LayerRate {
                layer: Layer { encoding: (at / 3) as u8, temporal: (at % 3) as u8 },
                height: [180, 360, 720][at / 3],
                frame_rate: [7.5, 15.0, 30.0][at % 3],
                bitrate_bps: kbps * 1_000,
            })
            .collect()
    }

    fn describe(allocated: &Allocated) -> String {
        allocated.target.map_or_else(
            || "-".to_owned(),
            |layer| {
                format!(
                    "{}@{}",
                    [180, 360, 720][usize::from(layer.encoding)],
                    ["7.5", "15", "30"][usize::from(layer.temporal)]
                )
            },
        )
    }

    /// `wanted`: heights in order, `*` for on stage.
    fn check(wanted: &str, table: &[(u64, &str)]) {
        let layers = camera();
        let wanted: Vec<_> = wanted
            .split_whitespace()
            .map(|text| Wanted {
                layers: &layers,
                height: text.trim_end_matches('*').parse().unwrap(),
                on_stage: text.ends_with('*'),
                video_type: VideoType::Camera,
            })
            .collect();
        for &(kbps, expected) in table {
            let allocated = allocate(&wanted, Some(kbps * 1_000));
            let text: Vec<_> = allocated.iter().map(describe).collect();
            assert_eq!(text.join(" "), expected, "at {kbps} kbps");
            let sum: u64 = allocated.iter().map(|a| a.target_bps).sum();
            assert!(sum <= kbps * 1_000, "{sum} at {kbps} kbps");
        }
    }

    #[test]
    fn stage_view() {
        check(
            "720* 180 180 180",
            &[
                (30, "- - - -"),
                (50, "180@7.5 - - -"),
                (100, "180@15 - - -"),
                (150, "180@30 - - -"),
                (500, "360@30 - - -"),
                (550, "360@30 180@7.5 - -"),
                (610, "360@30 180@7.5 180@7.5 -"),
                (650, "360@30 180@7.5 180@7.5 180@7.5"),
                (700, "360@30 180@15 180@7.5 180@7.5"),
                (800, "360@30 180@15 180@15 180@15"),
                (950, "360@30 180@30 180@30 180@30"),
                (2_150, "720@30 180@7.5 180@7.5 180@7.5"),
                (2_450, "720@30 180@30 180@30 180@30"),
            ],
        );
    }

    #[test]
    fn tile_view() {
        check(
            "180 180 180 180",
            &[
                (50, "180@7.5 - - -"),
                (200, "180@7.5 180@7.5 180@7.5 180@7.5"),
                (250, "180@15 180@7.5 180@7.5 180@7.5"),
                (400, "180@15 180@15 180@15 180@15"),
                (450, "180@30 180@15 180@15 180@15"),
                (600, "180@30 180@30 180@30 180@30"),
                (10_000, "180@30 180@30 180@30 180@30"),
            ],
        );
    }

    #[test]
    fn larger_tiles() {
        check(
            "360 360 360 360",
            &[
                (200, "180@7.5 180@7.5 180@7.5 180@7.5"),
                (600, "180@30 180@30 180@30 180@30"),
                (1_000, "360@30 180@30 180@30 180@30"),
                (2_000, "360@30 360@30 360@30 360@30"),
            ],
        );
    }

    #[test]
    fn last_n_zero_and_disabled() {
        check("0 0", &[(10_000, "- -")]);
        check("720* 0", &[(10_000, "720@30 -")]);
    }

    #[test]
    fn unlimited_bandwidth_and_ideal() {
        let layers = camera();
        let wanted = [Wanted { layers: &layers, height: -1, on_stage: false, video_type: VideoType::Camera }];
        let allocated = allocate(&wanted, None);
        assert_eq!(describe(&allocated[0]), "720@30");
        let allocated = allocate(&wanted, Some(0));
        assert_eq!(allocated[0].target, None);
        assert_eq!(allocated[0].ideal_bps, 2_000_000);
    }

    #[test]
    fn inactive_layers_are_not_chosen_unless_all_are() {
        let mut layers = camera();
        for layer in &mut layers[6..] {
            layer.bitrate_bps = 0;
        }
        let choose = |layers: &[LayerRate]| {
            describe(
                &allocate(
                    &[Wanted { layers, height: 720, on_stage: true, video_type: VideoType::Camera }],
                    Some(5_000_000),
                )[0],
            )
        };
        assert_eq!(choose(&layers), "360@30");
        for layer in &mut layers {
            layer.bitrate_bps = 0;
        }
        assert_eq!(choose(&layers), "720@30");
    }

    #[test]
    fn a_layer_that_costs_no_more_is_skipped_to() {
        let mut layers = camera();
        for layer in &mut layers {
            layer.bitrate_bps = 100_000;
        }
        let allocated = allocate(
            &[Wanted { layers: &layers, height: 720, on_stage: false, video_type: VideoType::Camera }],
            Some(100_000),
        );
        assert_eq!(describe(&allocated[0]), "720@30");
    }

    #[test]
    fn desktop_on_stage_may_exceed_the_estimate() {
        let layers: Vec<_> = camera();
        let run = |bandwidth: u64, on_stage: bool| {
            let allocated = allocate(
                &[Wanted { layers: &layers, height: 720, on_stage, video_type: VideoType::Desktop }],
                Some(bandwidth),
            );
            describe(&allocated[0])
        };
        assert_eq!(run(199_999, true), "180@30");
        assert_eq!(run(200_000, true), "720@7.5");
        assert_eq!(run(200_000, false), "360@7.5");
        assert_eq!(run(2_000_000, true), "720@30");
    }
}
