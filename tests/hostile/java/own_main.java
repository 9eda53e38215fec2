// guarantee: a sample cannot bring its own Main
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

class Main {
    public static void main(String[] arguments) {}
}
