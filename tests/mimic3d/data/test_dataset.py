import multiprocessing
import threading

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from mimic3d.cameras import cameras_from_labels, mirror_cameras
from mimic3d.data.dataset import ImageDataset, load_multiview
from mimic3d.data.images import decode_png
from mimic3d.data.schema import EVAL_YAWS_RAD


def cache_files(cache):
    return {path.name: path for path in cache.glob("*-train-16/*.raw")}


def open_and_sum(folder, cache, queue):
    dataset = ImageDataset(folder, "train", cache)
    queue.put(int(dataset.pixels(torch.arange(len(dataset))).long().sum()))


def test_a_batch_holds_the_stored_pixels_and_labels(dataset, tmp_path, make_sample):
    images = ImageDataset(dataset, "train", tmp_path / "cache")
    batch = images.batch(torch.tensor([7, 0, 7]))
    for row, index in enumerate((7, 0, 7)):
        sample = make_sample(index)
        pixels = torch.from_numpy(decode_png(sample.image).copy()).permute(2, 0, 1)
        assert_close(batch.image[row], pixels / 127.5 - 1)
        camera = np.concatenate([sample.pose.cam2world.ravel(), sample.pose.intrinsics.ravel()])
        assert_close(batch.c[row].numpy(), camera)
    assert_close(images.weights, torch.ones(20))


def test_the_second_half_is_mirrored_and_seen_by_mirrored_cameras(dataset, tmp_path):
    images = ImageDataset(dataset, "train", tmp_path / "cache")
    assert len(images) == 20
    batch = images.batch(torch.tensor([13, 3, 4]))
    assert_close(batch.image[0], batch.image[1].flip(-1))
    mirrored = mirror_cameras(cameras_from_labels(batch.c[1:2])).labels()
    assert_close(batch.c[:1], mirrored)
    assert_close(images.batch(torch.tensor([3, 4])).image, batch.image[1:])


def test_without_mirroring_there_are_only_stored_images(make_dataset, tmp_path):
    make_dataset(tmp_path / "plain", mirror=False)
    assert len(ImageDataset(tmp_path / "plain", "train", tmp_path / "cache")) == 10


def test_an_empty_split_is_an_error_that_names_it(dataset, tmp_path):
    with pytest.raises(ValueError, match="no images in the split val"):
        ImageDataset(dataset, "val", tmp_path / "cache")


@pytest.mark.parametrize("damage", ["truncate", "delete"])
def test_a_damaged_cache_is_built_again(dataset, tmp_path, damage):
    cache = tmp_path / "cache"
    before = ImageDataset(dataset, "train", cache).batch(torch.arange(20))
    path = cache_files(cache)["images.raw"]
    if damage == "truncate":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path.unlink()
    after = ImageDataset(dataset, "train", cache).batch(torch.arange(20))
    assert_close(after.image, before.image)
    assert path.stat().st_size == 10 * 3 * 16 * 16


def test_the_cache_is_built_once(dataset, tmp_path):
    ImageDataset(dataset, "train", tmp_path / "cache")
    built = cache_files(tmp_path / "cache")["images.raw"].stat().st_mtime_ns
    for shard in dataset.glob("train-*.parquet"):
        shard.unlink()
    ImageDataset(dataset, "train", tmp_path / "cache")
    assert cache_files(tmp_path / "cache")["images.raw"].stat().st_mtime_ns == built


def test_shards_that_do_not_match_the_manifest_are_an_error(make_dataset, tmp_path):
    make_dataset(tmp_path / "toy", num=300, images_per_shard=256)
    next((tmp_path / "toy").glob("train-00001-*.parquet")).unlink()
    with pytest.raises(ValueError, match="must hold 300 images of the split train, holds 256"):
        ImageDataset(tmp_path / "toy", "train", tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.part-*"))


def test_two_processes_and_threads_may_open_the_cache_at_once(dataset, tmp_path):
    context = multiprocessing.get_context("fork")  # starts fast enough for a real race
    queue = context.Queue()
    arguments = (dataset, tmp_path / "cache", queue)
    workers = [context.Process(target=open_and_sum, args=arguments) for _ in range(2)]
    workers += [threading.Thread(target=open_and_sum, args=arguments)]
    for worker in workers:
        worker.start()
    sums = {queue.get(timeout=60) for _ in workers}
    for worker in workers:
        worker.join()
    assert len(sums) == 1
    assert len(list((tmp_path / "cache").glob("*-train-16"))) == 1
    assert not list((tmp_path / "cache").glob("*.part-*"))


def test_multiview_has_the_same_yaws_for_every_head(dataset, tmp_path, make_sample):
    views = load_multiview(dataset, tmp_path / "cache")
    assert views is not None
    assert views.images.shape == (2, 6, 3, 16, 16)
    assert_close(views.yaw, torch.tensor(EVAL_YAWS_RAD).expand(2, 6), atol=1e-5, rtol=0)
    sample = make_sample(1000 + 8, EVAL_YAWS_RAD[2], with_depth=True)  # second head, third view
    depth = torch.from_numpy(np.frombuffer(sample.depth, "<f4").copy()).reshape(16, 16)
    assert_close(views.depth[1, 2], depth, rtol=0, atol=0)
    alpha = torch.from_numpy(decode_png(sample.mask).copy()) / 255
    assert_close(views.alpha[1, 2], alpha)
    assert_close(views.labels[1, 2, :16].reshape(4, 4).numpy(), sample.pose.cam2world)


def test_a_dataset_of_photos_has_no_multiview(make_dataset, tmp_path):
    make_dataset(tmp_path / "photos", num_heads=0)
    assert load_multiview(tmp_path / "photos", tmp_path / "cache") is None
