"""Of many writers, one has the turn."""

import random
import threading
import time

from stars_infer.shared.turn import Turns
from tests.stars_infer.shared.databases import Database, MemoryStore


class SlowStore(MemoryStore):
    """Takes its time before and after each call, so that those of others come between."""

    def __init__(self, database, dice):
        super().__init__(database)
        self._dice = dice

    def _slowly(self, call, *arguments):
        time.sleep(self._dice.random() * 0.002)
        answer = call(*arguments)
        time.sleep(self._dice.random() * 0.002)
        return answer

    def entries(self, first, count):
        return self._slowly(super().entries, first, count)

    def put_entry(self, entry):
        self._slowly(super().put_entry, entry)

    def remove_entry(self, key):
        self._slowly(super().remove_entry, key)


def test_no_two_writers_have_the_turn_at_once():
    database, inside, turns = Database(), [], []

    def write(number):
        dice = random.Random(number)
        taking = Turns(SlowStore(database, dice))
        for _ in range(6):
            with taking.taken(300):
                inside.append(number)
                turns.append(list(inside))
                time.sleep(dice.random() * 0.002)
                inside.remove(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(turns) == sorted([number] for number in range(5) for _ in range(6))
    assert not database.log
