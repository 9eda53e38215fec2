// guarantee: endless printing costs nothing but time
// expect: timeout
import java.util.*;

class Solution {
    public int next(int n) {
        while (true) {
            System.out.println("flood");
        }
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}
