"""Shared blocks compute what their names say."""

from __future__ import annotations

import pytest
import torch
from models_helpers import LAYOUTS
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from slr_accel.features.transform import FeatureTransform
from slr_accel.models.blocks import BiLSTM, MaskedConv, Upsampling, output_lengths
from slr_accel.models.encoders import BlockEncoders
from slr_accel.settings.features import FeatureSettings


def test_bilstm_equals_torchs_packed_bidirectional_lstm() -> None:
    torch.manual_seed(0)
    ours = BiLSTM(5, 7, layers=2, dropout=0.0)
    theirs = nn.LSTM(5, 7, 2, batch_first=True, bidirectional=True)
    for layer in range(2):
        for suffix, half in (("", ours.forwards), ("_reverse", ours.backwards)):
            for name, parameter in half[layer].named_parameters():
                twin = getattr(theirs, name.replace("l0", f"l{layer}") + suffix)
                twin.data.copy_(parameter)
    x, lengths = torch.randn(4, 11, 5), torch.tensor([11, 3, 1, 8])
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(theirs(packed)[0], batch_first=True)
    found = ours(x, lengths)
    for i, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(found[i, :length], expected[i, :length], atol=1e-6, rtol=1e-5)


def test_convolution_sees_zeros_beyond_a_sequences_end() -> None:
    conv = MaskedConv(1, 1, 3, stride=2)
    nn.init.ones_(conv.conv.weight)
    nn.init.zeros_(conv.conv.bias)
    x = torch.tensor([1.0, 2, 3, 4, 99])[None, :, None]
    found, lengths = conv(x, torch.tensor([4]))
    assert lengths.tolist() == [2]
    assert found[0, :2, 0].tolist() == [3.0, 9.0]


@pytest.mark.parametrize("groups", [1, 32])
@pytest.mark.parametrize("kernel_size", [3, 5, 7])
def test_a_single_frame_at_stride_two_has_gradients_in_bfloat16_too(kernel_size, groups) -> None:
    torch.manual_seed(0)
    conv = MaskedConv(32, 32, kernel_size, stride=2, groups=groups)
    for _ in range(4):
        x, gradients = torch.randn(8, 1, 32), []
        for is_half in (False, True):
            conv.zero_grad()
            # Memory that is not written keeps what was there before.
            junk = [torch.full((2**power,), torch.nan) for power in range(5, 17)]
            del junk
            with torch.autocast("cpu", torch.bfloat16, enabled=is_half):
                y, lengths = conv(x, torch.ones(8, dtype=torch.long))
            assert y.shape == (8, 1, 32) and lengths.tolist() == [1] * 8
            y.float().square().sum().backward()
            gradients.append(conv.conv.weight.grad.clone())
        full, half = gradients
        torch.testing.assert_close(
            half / full.abs().max(), full / full.abs().max(), atol=0.02, rtol=0
        )


def test_an_lstms_forget_gates_are_open_at_first() -> None:
    lstm = BiLSTM(5, 7, layers=2, dropout=0.0)
    for layer in [*lstm.forwards, *lstm.backwards]:
        bias = layer.bias_ih_l0 + layer.bias_hh_l0
        assert bias.unflatten(0, (4, 7)).tolist() == [[0] * 7, [1] * 7, [0] * 7, [0] * 7]


@pytest.mark.parametrize(("from_stride", "to_stride"), [(4, 1), (4, 2), (2, 1)])
def test_interpolation_reads_between_steps_and_never_beyond_the_last(from_stride, to_stride):
    frames = torch.tensor([13, 6])
    lengths = output_lengths(frames, from_stride)
    x = torch.randn(2, int(lengths.max()), 3)
    x[1, lengths[1] :] = 1e9
    found, steps = Upsampling(3, from_stride, to_stride, "interpolate")(x, lengths, frames, 13)
    assert steps.tolist() == output_lengths(frames, to_stride).tolist()
    for i in range(2):
        for t in range(int(steps[i])):
            last = float(lengths[i] - 1)
            place = min(max((t + 0.5) * to_stride / from_stride - 0.5, 0.0), last)
            low = int(place)
            high = min(low + 1, int(last))
            expected = x[i, low] + (place - low) * (x[i, high] - x[i, low])
            torch.testing.assert_close(found[i, t], expected)


def test_a_block_without_features_is_refused_by_name() -> None:
    features = FeatureTransform(LAYOUTS["tracks"], FeatureSettings(exclude_points=("face.*",)), 25)
    with pytest.raises(ValueError, match=r"no features of face.*--blocks"):
        BlockEncoders(features, 8, 3, 3)
