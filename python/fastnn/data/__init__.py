"""Data sets, where they come from, and the minibatches they are cut into."""

from fastnn.data.cifar10 import load_cifar10 as load_cifar10
from fastnn.data.container import ArrayDataset as ArrayDataset
from fastnn.data.container import Dataset as Dataset
from fastnn.data.container import Splits as Splits
from fastnn.data.digits import load_digits as load_digits
from fastnn.data.idx import load_idx as load_idx
from fastnn.data.load import load as load
from fastnn.data.loader import Batch as Batch
from fastnn.data.loader import Loader as Loader
from fastnn.data.npz import load_npz as load_npz
