// guarantee: a program that sleeps past its limit is a timeout
// expect: timeout
import java.util.*;

class Solution {
    public int next(int n) {
        try {
            Thread.sleep(1_000_000);
        } catch (InterruptedException error) {
            return 0;
        }
        return 0;
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}
