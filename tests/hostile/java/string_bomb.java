// guarantee: a growing string ends as an error
// expect: error or timeout
import java.util.*;

class Solution {
    public int next(int n) {
        StringBuilder text = new StringBuilder("x");
        while (true) {
            text.append(text);
        }
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}
