// Honest: the statement assert, which is switched on.  verdict: passed all
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        assert s.positives(Arrays.asList(1, -2, 3)) == 4 : "mixed";
        assert s.positives(List.of()) == 0;
        assert s.positives(List.of(-1)) == 0;
        assert s.positives(List.of(2)) == 2;
    }
}
