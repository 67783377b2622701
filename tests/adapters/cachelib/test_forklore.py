"""cachelib's tests of what all of its caches do."""

from clear import ClearTests
from common import CommonTests
from delete_many_with_prefix import DeleteManyWithPrefixTests
from has import HasTests
from serializer import SerializerTests


class TestForkloreCache(CommonTests, HasTests, ClearTests, SerializerTests, DeleteManyWithPrefixTests):
    pass
