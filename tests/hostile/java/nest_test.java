// guarantee: a sample cannot make the test a part of itself
// expect: error
import java.util.*;

class Solution {
    public int next(int n) {
        return 0;
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}

class Outer {
