"""What a person is told of strings that read like devices, backends and kernels, and may be other names."""

from __future__ import annotations

import textwrap
from pathlib import Path

import porter


def told(source: str) -> list[tuple[str, str]]:
    """The message and the advice of what stays."""
    left = porter.rewrite_source(textwrap.dedent(source), filename="case.py").left
    return [(finding.message, finding.advice) for finding in left]


LOOKED_UP = """
    import torch

    class Results:
        def apply(self, how):
            return [getattr({owner}, how)() for value in self.values]

        def cuda(self):
            return self.apply("cuda")
"""


def test_what_getattr_takes_is_no_device() -> None:
    ((message, advice),) = told(LOOKED_UP.replace("{owner}", "value"))
    assert message == 'the name of a method, `"cuda"`'
    assert "`getattr()`" in advice
    assert '"neuron"' not in advice


def test_what_is_looked_up_in_torch_may_be_a_device() -> None:
    ((message, _),) = told(LOOKED_UP.replace("{owner}", "torch"))
    assert message == 'device string `"cuda"`'


def test_a_backend_that_no_group_takes_is_written_on_a_condition() -> None:
    ((message, advice),) = told(
        """
        def make(backend):
            if backend == "nccl":
                return NCCLCopier()
        """
    )
    assert message == '`"nccl"` is the name of a backend'
    assert advice.startswith("Write `neuron` if it names the backend of a process group.")


def test_kernels_that_no_model_takes_are_written_on_a_condition() -> None:
    ((_, advice),) = told('entry = Kernel(repo_id="kernels-community/flash-attn3")')
    assert advice.startswith("Write `sdpa` if it chooses the implementation of a model.")


def test_a_scaler_that_goes_off_says_who_may_ask_for_float16() -> None:
    loop = "import torch\nprecision = torch.float16\nscaler = torch.cuda.amp.GradScaler()\n"
    for dtype, said in (("args.dtype", True), ("torch.bfloat16", False)):
        found = porter.rewrite_source(loop + f"with torch.cuda.amp.autocast(dtype={dtype}):\n    pass\n").applied
        (advice,) = [finding.advice for finding in found if finding.code == "PRT304"]
        assert ("Line 4 may be asked for float16" in advice) is said


def test_a_test_that_stays_is_told_nothing_of_what_would_take_its_place(tmp_path: Path) -> None:
    source = """
        import torch

        def build(x: torch.Tensor):
            if x.device.type == "cuda":
                import apex
        """
    (tmp_path / "case.py").write_text(textwrap.dedent(source))
    advice = {finding.code: finding.advice for finding in porter.check_paths([tmp_path]).findings}
    assert advice["PRT104"] == "Left as it is: it keeps Neuron out of line 6, where `apex` needs CUDA."


def test_an_empty_list_of_devices_is_not_to_be_written_for_neuron() -> None:
    ((_, advice),) = told('import os\nos.environ["CUDA_VISIBLE_DEVICES"] = ""')
    assert advice.startswith("It is set so that the process sees no GPU")


def test_what_a_test_needs_is_told_before_what_it_may_depend_on() -> None:
    source = """
        from transformers import BitsAndBytesConfig, TrainingArguments

        def test_small():
            config = BitsAndBytesConfig(load_in_4bit=True)
            assert run(config, TrainingArguments("out", fp16=True))

        @require_flash_attn
        def test_flash(config):
            config._attn_implementation = "flash_attention_2"

        def test_half():
            assert run(TrainingArguments("out", fp16=True))
    """
    left = porter.rewrite_source(textwrap.dedent(source), filename="tests/test_it.py").left
    advice = {finding.line: finding.advice for finding in left}
    assert advice[6].startswith("A test of `BitsAndBytesConfig`, which stays CUDA's")
    assert advice[10] == "Line 8 says that the test is for flash attention: port it first."
    assert advice[13].startswith("A test: what it asserts may depend on float16")


def test_what_is_compared_with_an_arm_of_a_chain_is_asked_about() -> None:
    advice = [
        advice
        for _, advice in told(
            """
            import torch

            if torch.cuda.is_available():
                device = "cuda"
            elif torch.xpu.is_available():
                device = "xpu"
            else:
                device = "cpu"
            x = torch.zeros(3, device=device)
            assert device == "cuda"
            """
        )
    ]
    assert advice[-1] == "Line 5 is CUDA's arm, and stays: say whether this is for Neuron as well."
