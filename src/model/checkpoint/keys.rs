//! The settings beside Hugging Face's weights: each key that is known, and what is done about it.
//!
//! A setting is obeyed, or agrees with the tensors, or has a value that this program computes, or changes nothing here.
//! Anything else is refused by name. Keys that are in no table are listed in a note.

/// What is done about a setting.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// The importer reads it.
    Read,
    /// The tensors say it too: both must agree, where the importer has the number.
    Size,
    /// Texts that mean what is computed here.
    Texts(&'static [&'static str]),
    /// The number that is computed with here.
    Number(f64),
    /// The truth value that is computed with here.
    Flag(bool),
    /// Only a value that says nothing: null, false, 0, "", an empty list or object.
    Nothing,
    /// It changes nothing here: training's own figures, decoders, bookkeeping.
    Unused,
}
pub(super) use Rule::{Flag, Nothing, Number, Read, Size, Texts, Unused};

/// A key, or the beginning of several where it ends in `*`.
pub(super) type Key = (&'static str, Rule);

/// `config.json` of Hugging Face's AST.
pub(super) const AST: &[Key] = &[
    ("model_type", Texts(&["audio-spectrogram-transformer"])),
    ("hidden_size", Size),
    ("num_hidden_layers", Size),
    ("intermediate_size", Size),
    ("patch_size", Size),
    ("num_attention_heads", Read),
    ("layer_norm_eps", Read),
    ("frequency_stride", Read),
    ("time_stride", Read),
    ("max_length", Read),
    ("num_mel_bins", Read),
    ("qkv_bias", Read),
    ("hidden_act", Texts(EXACT_GELU)),
    ("hidden_dropout_prob", Unused),
    ("attention_probs_dropout_prob", Unused),
    ("initializer_range", Unused),
];

/// `config.json` of Hugging Face's Whisper.
pub(super) const WHISPER: &[Key] = &[
    ("model_type", Texts(&["whisper"])),
    ("d_model", Size),
    ("encoder_layers", Size),
    ("num_hidden_layers", Size),
    ("encoder_ffn_dim", Size),
    ("num_mel_bins", Size),
    ("max_source_positions", Size),
    ("classifier_proj_size", Size),
    ("encoder_attention_heads", Read),
    ("activation_function", Texts(EXACT_GELU)),
    ("use_weighted_layer_sum", Flag(false)),
    ("scale_embedding", Unused),
    ("decoder_*", Unused),
    ("mask_*", Unused),
    ("apply_spec_augment", Unused),
    ("activation_dropout", Unused),
    ("attention_dropout", Unused),
    ("dropout", Unused),
    ("encoder_layerdrop", Unused),
    ("init_std", Unused),
    ("max_target_positions", Unused),
    ("median_filter_width", Unused),
    ("vocab_size", Unused),
    ("max_length", Unused),
    ("alignment_heads", Unused),
    ("lang_to_id", Unused),
    ("task_to_id", Unused),
    ("is_multilingual", Unused),
    ("no_timestamps_token_id", Unused),
    ("prev_sot_token_id", Unused),
    ("return_timestamps", Unused),
    ("max_initial_timestamp_index", Unused),
];

/// `config.json` of CED and Dasheng; what Dasheng says of its encoder is in `encoder_kwargs`, and older files repeat it.
pub(super) const CED: &[Key] = &[
    ("model_type", Texts(&["ced", "dasheng"])),
    ("embed_dim", Size),
    ("depth", Size),
    ("n_mels", Size),
    ("outputdim", Size),
    ("num_heads", Read),
    ("target_length", Read),
    ("patch_size", Read),
    ("patch_stride", Read),
    ("encoder_kwargs", Read),
    ("pooling", Texts(&["mean"])),
    ("qkv_bias", Flag(true)),
    ("init_bn", Flag(true)),
    ("center", Flag(true)),
    ("f_min", Number(0.0)),
    ("f_max", Number(8_000.0)),
    ("hop_size", Number(160.0)),
    ("n_fft", Number(512.0)),
    ("win_size", Number(512.0)),
    ("init_values", Nothing),
    ("mlp_ratio", Unused),
    ("name", Unused),
    ("loss", Unused),
    // How clips that are too long are joined, which is done in another way here.
    ("eval_avg", Unused),
    ("pad_last", Unused),
    ("attn_drop_rate", Unused),
    ("drop_path_rate", Unused),
    ("drop_rate", Unused),
    ("freq_patch_out", Unused),
    ("time_patch_out", Unused),
    ("spectransforms", Unused),
    ("wavtransforms", Unused),
];

/// `encoder_kwargs` in Dasheng's `config.json`.
pub(super) const DASHENG_ENCODER: &[Key] = &[
    ("embed_dim", Size),
    ("depth", Size),
    ("n_mels", Size),
    ("outputdim", Size),
    ("num_heads", Read),
    ("target_length", Read),
    ("patch_size", Read),
    ("patch_stride", Read),
    ("pooling", Texts(&["mean"])),
    ("qkv_bias", Flag(true)),
    ("init_bn", Flag(true)),
    ("block_type", Texts(&["Block"])),
    ("attention_type", Texts(&["Attention"])),
    ("init_values", Nothing),
];

/// `preprocessor_config.json` of CED and Dasheng.
pub(super) const CED_FEATURES: &[Key] = &[
    ("feature_extractor_type", Texts(&["CedFeatureExtractor", "DashengFeatureExtractor"])),
    ("feature_size", Size),
    ("sampling_rate", Number(16_000.0)),
    ("f_min", Number(0.0)),
    ("f_max", Number(8_000.0)),
    ("hop_size", Number(160.0)),
    ("n_fft", Number(512.0)),
    ("win_size", Number(512.0)),
    ("center", Flag(true)),
    ("padding_value", Number(0.0)),
    ("padding_side", Texts(&["right"])),
    ("return_attention_mask", Unused),
    ("max_length", Unused),
    ("auto_map", Unused),
    ("processor_class", Unused),
];

/// What every `config.json` may have besides.
pub(super) const EVERY: &[Key] = &[
    ("id2label", Read),
    ("label2id", Unused),
    ("num_labels", Read),
    ("problem_type", Texts(&["single_label_classification", "multi_label_classification"])),
    ("pruned_heads", Nothing),
    ("quantization_config", Nothing),
    ("add_cross_attention", Flag(false)),
    ("is_decoder", Flag(false)),
    ("architectures", Unused),
    ("dtype", Unused),
    ("torch_dtype", Unused),
    ("torchscript", Unused),
    ("transformers_version", Unused),
    ("finetuning_task", Unused),
    ("is_encoder_decoder", Unused),
    ("output_*", Unused),
    ("return_*", Unused),
    ("use_cache", Unused),
    ("use_bfloat16", Unused),
    ("chunk_size_feed_forward", Unused),
    ("gradient_checkpointing", Unused),
    ("tie_*", Unused),
    ("tokenizer_class", Unused),
    ("auto_map", Unused),
    ("tf_legacy_loss", Unused),
    ("cross_attention_hidden_size", Unused),
    ("task_specific_params", Unused),
    ("prefix", Unused),
    ("_*", Unused),
    // Settings for writing text, which older files repeat everywhere.
    ("bos_token_id", Unused),
    ("eos_token_id", Unused),
    ("pad_token_id", Unused),
    ("sep_token_id", Unused),
    ("begin_suppress_tokens", Unused),
    ("suppress_tokens", Unused),
    ("forced_*", Unused),
    ("bad_words_ids", Unused),
    ("diversity_penalty", Unused),
    ("do_sample", Unused),
    ("early_stopping", Unused),
    ("encoder_no_repeat_ngram_size", Unused),
    ("exponential_decay_length_penalty", Unused),
    ("length_penalty", Unused),
    ("min_length", Unused),
    ("no_repeat_ngram_size", Unused),
    ("num_beam*", Unused),
    ("num_return_sequences", Unused),
    ("remove_invalid_values", Unused),
    ("repetition_penalty", Unused),
    ("temperature", Unused),
    ("top_*", Unused),
    ("typical_p", Unused),
];

/// `preprocessor_config.json` of AST.
pub(super) const AST_FEATURES: &[Key] = &[
    ("feature_extractor_type", Texts(&["ASTFeatureExtractor"])),
    ("feature_size", Number(1.0)),
    ("sampling_rate", Number(16_000.0)),
    ("num_mel_bins", Size),
    ("max_length", Size),
    ("do_normalize", Read),
    ("mean", Read),
    ("std", Read),
    ("padding_value", Number(0.0)),
    ("padding_side", Texts(&["right"])),
    ("return_attention_mask", Unused),
    ("processor_class", Unused),
];

/// `preprocessor_config.json` of Whisper.
pub(super) const WHISPER_FEATURES: &[Key] = &[
    ("feature_extractor_type", Texts(&["WhisperFeatureExtractor"])),
    ("feature_size", Size),
    ("sampling_rate", Number(16_000.0)),
    ("hop_length", Number(160.0)),
    ("n_fft", Number(400.0)),
    ("dither", Number(0.0)),
    ("do_normalize", Flag(false)),
    ("padding_value", Number(0.0)),
    ("padding_side", Texts(&["right"])),
    ("chunk_length", Unused),
    ("n_samples", Unused),
    ("nb_max_frames", Unused),
    ("mel_filters", Unused),
    ("return_attention_mask", Unused),
    ("processor_class", Unused),
];

/// `adapter_config.json` of PEFT.
pub(super) const LORA: &[Key] = &[
    ("peft_type", Texts(&["LORA"])),
    ("base_model_name_or_path", Read),
    ("lora_alpha", Read),
    ("alpha_pattern", Read),
    ("use_rslora", Read),
    // How it began is part of the base's weights for these, so that the product alone is not what was trained.
    ("init_lora_weights", Texts(&["true", "false", "gaussian", "orthogonal", "eva"])),
    ("use_dora", Flag(false)),
    ("use_qalora", Flag(false)),
    ("use_bdlora", Nothing),
    ("lora_bias", Flag(false)),
    ("fan_in_fan_out", Flag(false)),
    ("layer_replication", Nothing),
    ("target_parameters", Nothing),
    ("trainable_token_indices", Nothing),
    ("alora_invocation_tokens", Nothing),
    ("kasa_config", Nothing),
    ("velora_config", Nothing),
    ("arrow_config", Nothing),
    ("monteclora_config", Nothing),
    ("loftq_config", Nothing),
    ("corda_config", Nothing),
    ("r", Unused),
    ("rank_pattern", Unused),
    ("bias", Unused),
    ("modules_to_save", Unused),
    ("target_modules", Unused),
    ("exclude_modules", Unused),
    ("layers_pattern", Unused),
    ("layers_to_transform", Unused),
    ("lora_dropout", Unused),
    ("lora_ga_config", Unused),
    ("eva_config", Unused),
    ("megatron_*", Unused),
    ("qalora_group_size", Unused),
    ("ensure_weight_tying", Unused),
    ("auto_mapping", Unused),
    ("inference_mode", Unused),
    ("peft_version", Unused),
    ("revision", Unused),
    ("task_type", Unused),
    ("runtime_config", Unused),
];

/// The GELU with the error function; those with tanh or a sigmoid are others.
const EXACT_GELU: &[&str] = &["gelu", "gelu_python"];
