//! Which layers of one source come into question for one receiver.

use crate::endpoint::VideoType;
use crate::forward::Layer;

/// A height without limit, as on the wire.
pub const HEIGHT_UNLIMITED: i32 = -1;
/// Up to this resolution frames per second matter less than pixels; above, full frame rate is preferred.
const PREFERRED_HEIGHT: i32 = 360;
const PREFERRED_FRAME_RATE: f32 = 30.0;
/// A receiver that wants no more than this shows a thumbnail: everything within its limit is a step.
const THUMBNAIL_HEIGHT: i32 = 180;

/// A layer with what it costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerRate {
    /// Which layer.
    pub layer: Layer,
    /// Smaller dimension in pixels.
    pub height: i32,
    /// Frames per second.
    pub frame_rate: f32,
    /// Measured bits per second with all it depends on; 0 when not being sent.
    pub bitrate_bps: u64,
}

/// Layers of one source that may be forwarded, in order of quality, and the one to be reached first.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidates {
    pub(super) layers: Vec<LayerRate>,
    pub(super) preferred: usize,
    /// Layer worth exceeding the estimate for.
    pub(super) oversend: Option<usize>,
}

impl Candidates {
    /// Chooses among `layers`, which ascend in quality, for a receiver that wants up to `height` (not 0).
    pub(super) fn choose(layers: &[LayerRate], height: i32, on_stage: bool, video_type: VideoType) -> Self {
        match video_type {
            VideoType::Desktop | VideoType::DesktopHighFps => Self::desktop(layers, height, on_stage),
            VideoType::Camera | VideoType::Disabled | VideoType::None => Self::camera(layers, height),
        }
    }

    fn camera(layers: &[LayerRate], height: i32) -> Self {
        let within = |layer: &LayerRate| height < 0 || layer.height <= height;
        let lowest = layers.iter().map(|layer| layer.height).min().unwrap_or(0);
        let none_active = layers.iter().all(|layer| layer.bitrate_bps == 0);
        let full_rate = layers.iter().filter(|layer| within(layer)).map(|layer| layer.frame_rate).fold(0.0, f32::max);
        let thumbnail = (0..=THUMBNAIL_HEIGHT).contains(&height);
        let layers: Vec<LayerRate> = layers
            .iter()
            .filter(|layer| {
                layer.height == lowest
                    || within(layer)
                        && (thumbnail
                            || layer.height < PREFERRED_HEIGHT
                            || layer.frame_rate >= PREFERRED_FRAME_RATE.min(full_rate))
            })
            .filter(|layer| none_active || layer.bitrate_bps > 0)
            .copied()
            .collect();
        let preferred = layers
            .iter()
            .rposition(|layer| {
                thumbnail || layer.height <= PREFERRED_HEIGHT && layer.frame_rate <= PREFERRED_FRAME_RATE
            })
            .unwrap_or(0);
        Self { layers, preferred, oversend: None }
    }

    fn desktop(layers: &[LayerRate], height: i32, on_stage: bool) -> Self {
        let none_active = layers.iter().all(|layer| layer.bitrate_bps == 0);
        let active = |layer: &&LayerRate| none_active || layer.bitrate_bps > 0;
        let mut chosen: Vec<LayerRate> =
            layers.iter().filter(active).filter(|layer| height < 0 || layer.height <= height).copied().collect();
        if chosen.is_empty() {
            let lowest = layers.iter().filter(active).map(|layer| layer.height).min();
            chosen = layers.iter().filter(active).filter(|layer| Some(layer.height) == lowest).copied().collect();
        }
        let highest = chosen.iter().map(|layer| layer.height).max();
        let oversend = on_stage.then(|| chosen.iter().position(|layer| Some(layer.height) == highest)).flatten();
        Self { preferred: chosen.len().saturating_sub(1), layers: chosen, oversend }
    }
}
