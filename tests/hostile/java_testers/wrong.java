// Expects what the function does not return.  verdict: failed 0
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        assert s.positives(Arrays.asList(1, -2, 3)) == 2;
    }
}
