//! OpenAI's own names for Whisper: its `.pt` files, `{"dims": ..., "model_state_dict": ...}`, and GGML's, which keep them.

use super::Tensors;

/// OpenAI's name of an encoder tensor as Hugging Face has it; the decoder has no place here.
pub(super) fn hugging_face(name: &str) -> Option<String> {
    let rest = name.strip_prefix("encoder.")?;
    if rest == "positional_embedding" {
        return Some("embed_positions.weight".into());
    }
    let Some(in_block) = rest.strip_prefix("blocks.") else { return Some(rest.replace("ln_post", "layer_norm")) };
    let (block, place) = in_block.split_once('.')?;
    let (module, leaf) = place.rsplit_once('.')?;
    let module = match module {
        "attn_ln" => "self_attn_layer_norm",
        "attn.query" => "self_attn.q_proj",
        "attn.key" => "self_attn.k_proj",
        "attn.value" => "self_attn.v_proj",
        "attn.out" => "self_attn.out_proj",
        "mlp_ln" => "final_layer_norm",
        "mlp.0" => "fc1",
        "mlp.2" => "fc2",
        other => other,
    };
    Some(format!("layers.{block}.{module}.{leaf}"))
}

pub(super) fn recognise(tensors: &Tensors) -> bool {
    tensors.has("encoder.conv1.weight") && tensors.has("encoder.blocks.0.attn.query.weight")
}

/// Attention heads of the encoder, where the file says.
pub(super) fn heads(tensors: &Tensors) -> Option<usize> {
    let given =
        tensors.metadata.iter().find(|(name, _)| *name == "dims.n_audio_head" || name.ends_with(".dims.n_audio_head"));
    given.and_then(|(_, heads)| heads.parse().ok())
}
