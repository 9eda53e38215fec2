// Tests a copy of its own under the same name.  verdict: invalid 0
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        if (s.positives(Arrays.asList(1, -2, 3)) != 4) throw new AssertionError();
    }
}

class Solution {
    public int positives(List<Integer> numbers) {
        return 4;
    }
}
