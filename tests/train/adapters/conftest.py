"""Bases whose end token nothing ever moved: its rows are those of two tokens that no text has."""

import shutil
from pathlib import Path

import pytest
import torch

from train.bases.base_model import Base, resolve

END, FELLOWS = 1, (300, 301)


@pytest.fixture(scope="session", params=["tied", "untied"])
def untrained_base(request: pytest.FixtureRequest, base_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Base:
    """The tiny base, with its two matrices tied or not, and an end token as good as its fellows."""
    from transformers import AutoConfig, AutoModelForCausalLM

    folder = tmp_path_factory.mktemp(str(request.param)) / "base"
    shutil.copytree(base_folder, folder)
    config = AutoConfig.from_pretrained(folder)
    config.tie_word_embeddings = request.param == "tied"
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for matrix in (model.get_input_embeddings().weight, model.get_output_embeddings().weight):
            matrix.normal_(std=0.2)
            matrix[list(FELLOWS)] = matrix[END].clone()
    model.save_pretrained(folder)
    return resolve(str(folder))
